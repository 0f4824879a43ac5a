'use strict';
// The backup: a killed `ciplug run` cannot end its leases by itself.
require('../start').end();
