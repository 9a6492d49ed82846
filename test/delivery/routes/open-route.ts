/** A route that fits everything, for tests to narrow down. */
import type { RouteSettings } from '../../../src/delivery/routes/route-settings.js';

export const OPEN_ROUTE: RouteSettings = {
  name: '',
  recipients: null,
  senders: null,
  accounts: null,
  tenants: null,
  listeners: null,
  fields: [],
  tags: null,
  clients: null,
  lane: null,
  target: { kind: 'mx' },
  egress: '',
  setLane: null,
  addTags: [],
  verify: false,
  relay: false,
};
