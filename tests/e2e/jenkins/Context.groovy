/** What the steps of one branch run in; a block runs in a changed copy. */
class Context {
    Map<String, String> env = [:]
    File folder
    List<Closure> masks = []
    List<Closure> blocks = []

    Context but(Map changes) {
        return new Context([env: env, folder: folder, masks: masks, blocks: blocks] + changes)
    }

    String masked(String line) {
        return masks.inject(line) { text, mask -> mask(text) }
    }
}
