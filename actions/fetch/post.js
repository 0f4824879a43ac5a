'use strict';
// main leaves the command here once there is an installed ciplug to run it; without one there is nothing to end.
if (process.env.STATE_revoke) require('../start').run(...JSON.parse(process.env.STATE_revoke));
