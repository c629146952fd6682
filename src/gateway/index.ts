/** The gateway: WebSocket frames for terminals, over the kernel's facade. */
export { type Gateway, type GatewayOptions, startGateway } from './gateway.ts'
export type { GatewayLimits } from './limits.ts'
export { createToken } from './admission.ts'
