/** Oxbow as an agent of editors that speak the Agent Client Protocol. */
export { runAgent } from './run-agent.ts'
export type { AcpPorts, Gateway, HeldServer, OfferedTools, ServerPorts } from './ports.ts'
