/** Both ends of what an isolated guest reaches through its runner: the sandbox, passes of the egress proxy, a relay to a socket. */
export { connectSandbox } from './connect-sandbox.ts'
export { connectPasses, servePasses } from './egress-passes.ts'
export { serveSandbox } from './serve-sandbox.ts'
export { openRelay } from './socket-relay.ts'
