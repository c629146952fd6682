/** Clients of servers that others write: what they offer becomes calls, pinned and labelled. */
export { createServers, type Servers, type ServersDeps } from './servers.ts'
export { describedServerCalls } from './server-calls.ts'
