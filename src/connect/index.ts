/** Clients of servers that others write: what they offer becomes calls, pinned and labelled. */
export { createServers, type Servers, type ServersDeps } from './mcp/servers.ts'
export { describedServerCalls } from './mcp/server-calls.ts'
