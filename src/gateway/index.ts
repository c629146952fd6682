/** The gateway: WebSocket frames for terminals, over the kernel's facade. */
export { checkGateway, type Gateway, startGateway } from './gateway.ts'

export { createToken } from './admission.ts'
