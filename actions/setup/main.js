'use strict';
require('../start').install('setup');
