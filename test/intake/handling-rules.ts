/** Rules of handling with nothing configured. */
import type { HandlingRules } from '../../src/intake/handling.js';
import { DEFAULT_LANES } from '../../src/message/lane-settings.js';

export const NO_RULES: HandlingRules = {
  lanes: DEFAULT_LANES,
  tenants: { all: [], of: () => null },
  listenerLanes: new Map(),
  keepsListener: false,
  account: () => null,
  traitsOf: null,
  ignored: () => {},
};
