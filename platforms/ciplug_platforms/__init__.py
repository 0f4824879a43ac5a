"""The deploy platforms that come with ciplug, each an adapter like anyone else's."""
