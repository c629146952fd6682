/** What a mailbox needs: its address, and the two servers. Passwords never leave this machine in clear. */
import { OxbowError } from '../../base/index.ts'
import type { ChannelSettings } from '../port.ts'

/** A server of mail. */
interface MailServer {
  readonly host: string
  readonly port: number
  /** TLS from the first byte; else the connection is upgraded before anything is said. */
  readonly secure: boolean
}

/** Settings as they are used. */
export interface EmailSettings {
  readonly address: string
  readonly domain: string
  readonly user: string
  readonly password: string
  /** As people are shown it. */
  readonly name: string
  readonly imap: MailServer
  readonly smtp: MailServer
  /** Speaks without TLS, as only a server of this machine may be spoken to. */
  readonly plain: boolean
  /** Of the receiver's own `Authentication-Results`; empty: none is believed. */
  readonly authservId: string
  /** How long a mail of ours may be on its way before it is taken for one that was never sent. */
  readonly settleMs: number
}

const usualSettleMs = 60_000
const loopback: ReadonlySet<string> = new Set(['127.0.0.1', '::1', 'localhost'])

/** @throws OxbowError `bad_input`, `unauthenticated` */
export function emailSettings({ options, secrets }: ChannelSettings): EmailSettings {
  const { address: written = '', tls = 'on', name = 'Oxbow', authserv_id: authservId = '', settle_ms: settle } = options
  const address = written.toLowerCase()
  const [, domain = ''] = /^[^@\s<>",;:]{1,64}@([a-z0-9.-]{1,250})$/.exec(address) ?? []
  if (domain === '') throw wrong('The option address is not an e-mail address.', '--option address=ox@example.com')
  const { password = '' } = secrets
  if (password === '')
    throw new OxbowError('unauthenticated', 'There is no password.', { hint: 'oxbow channel add email --token-stdin < password.txt' })
  const imap = serverOf(options['imap'] ?? `imap.${domain}`, 993, 993)
  const smtp = serverOf(options['smtp'] ?? `smtp.${domain}`, 465, 465)
  if (tls !== 'on' && tls !== 'off') throw wrong('The option tls is `on` or `off`.', 'Leave it out.')
  if (tls === 'off' && !(loopback.has(imap.host) && loopback.has(smtp.host)))
    throw wrong('A password is sent without TLS only to a server on this machine.', 'Leave the option tls out.')
  return {
    address,
    domain,
    user: options['user'] ?? address,
    password,
    name,
    imap,
    smtp,
    plain: tls === 'off',
    authservId: authservId.toLowerCase(),
    settleMs: settle === undefined ? usualSettleMs : Math.max(0, Number(settle) || 0),
  }
}

/** @param text a name, with a port where it is another one */
function serverOf(text: string, port: number, securePort: number): MailServer {
  const [, host = '', given = ''] = /^([A-Za-z0-9.-]{1,250}|\[[0-9a-f:]{2,45}\])(?::(\d{1,5}))?$/.exec(text) ?? []
  if (host === '') throw wrong(`${JSON.stringify(text)} is not the name of a server.`, 'Write it as host or host:port.')
  const chosen = given === '' ? port : Number(given)
  return { host: host.replace(/^\[|\]$/g, ''), port: chosen, secure: chosen === securePort }
}

const wrong = (message: string, hint: string): OxbowError => new OxbowError('bad_input', message, { hint })
