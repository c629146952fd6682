/** Clients of programs that others write: what they offer becomes calls, pinned and labelled. A folder for each protocol. */
export { type CallSource, joinSources } from './call-source.ts'
export { createServers } from './mcp/servers.ts'
export { describedServerCalls } from './mcp/server-calls.ts'
export { createRemotes } from './a2a/remotes.ts'
export { describedRemoteCalls } from './a2a/remote-calls.ts'
export { createCoders, describedCoderCalls } from './acp/coders.ts'
