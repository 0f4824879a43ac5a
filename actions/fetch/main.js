'use strict';
require('../start').install('fetch');
