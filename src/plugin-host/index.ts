/** For hosts with another interface for plugins: the frames, and who may call what when. */
export { runTests, type TestSuite } from './run-tests.ts'
export { serveHost } from './serve-host.ts'
export type { HostAdapter, HostApi } from './serve-host.ts'
