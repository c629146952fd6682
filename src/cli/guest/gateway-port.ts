/** What the terminal programs need of the gateway client; tests bring a fake. */
import type { Client } from '../../client/index.ts'

export type GatewayPort = Pick<
  Client,
  'status' | 'createSession' | 'listSessions' | 'sendTurn' | 'cancelTurn' | 'approve' | 'call' | 'follow' | 'close'
>
