/** What the verbs of `oxbow servers` use, in one piece that is loaded with the first of them. */
export { findServers, settingsIn } from './found-servers.ts'
export { assertSeen, removeServerProgram, withServerProgram } from './server-programs.ts'
