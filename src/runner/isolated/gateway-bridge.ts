/** Takes terminals for a guest that has no network: each connection to an address of this machine is passed on to the guest's socket. */
import { loadRemoteEnds } from '../../sandbox/index.ts'
import { OxbowError } from '../../types/index.ts'

export interface GatewayBridge {
  /** `ws://host:port/ws` */
  readonly url: string
  close(): Promise<void>
}

/**
 * Nothing is read of what passes: the guest asks for the token, as always.
 * @param socket of the guest's gateway; need not be there yet
 * @throws OxbowError `bad_config` when the address cannot be listened on
 */
export async function openBridge(host: string, port: number, socket: string): Promise<GatewayBridge> {
  try {
    const { openRelay } = await loadRemoteEnds()
    const relay = await openRelay(host, port, socket)
    return { url: `ws://${host.includes(':') ? `[${host}]` : host}:${relay.port}/ws`, close: () => relay.close() }
  } catch (cause) {
    const hint = 'Choose another gateway.port (0 lets the system choose) or gateway.host in config.toml.'
    throw new OxbowError('bad_config', `The gateway cannot listen on ${host}:${port}.`, { hint, cause })
  }
}
