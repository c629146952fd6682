/** The gateway: WebSocket frames for terminals, over the kernel's facade. */
export { checkGateway, type Gateway, startGateway } from './gateway.ts'

/** Loads what serves terminals, before the first one comes. */
export const loadConnections = async (): Promise<void> => void (await Promise.all([import('./clients.ts'), import('./connection.ts')]))

export { createToken } from './admission.ts'

/** What the door of a cluster has in common with the gateway. A guest never loads it. */
export const loadDoorParts = (): Promise<typeof import('./door-parts.ts')> => import('./door-parts.ts')
export type DoorParts = typeof import('./door-parts.ts')
export type { WebFiles } from './http/web-files.ts'
