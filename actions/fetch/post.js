'use strict';
require('../start').end();
