/** `oxbow cluster invite` and `nats`, and what `doctor` says of certificates: whom a cluster trusts. */
import { X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import {
  askClock,
  foundCluster,
  issueForServer,
  makeInvite,
  type NodeIdentity,
  nodeName,
  openClusterLink,
  readIdentity,
} from '../../cluster/index.ts'
import { isOxbowError, OxbowError, writeWhole } from '../../base/index.ts'
import type { Config } from '../../config/index.ts'
import { plainText } from '../../terminal/index.ts'
import { printAnswer, type Terminal } from '../terminal.ts'
import { machineConfig, ownTrust } from './cluster.ts'

/** One line of `oxbow cluster doctor`. */
export interface Check {
  readonly check: string
  readonly ok: boolean
  readonly detail: string
  readonly hint: string
}

interface Options {
  readonly json?: boolean | undefined
}

/** The node of this machine answers whoever has the token: it must run. */
export async function clusterInvite(options: Options, terminal: Terminal): Promise<number> {
  const { cluster } = machineConfig(terminal)
  const folder = ownTrust(terminal)
  const identity = ownIdentity(terminal)
  const link = await openClusterLink(cluster, identity)
  try {
    const own = (await link.all()).nodes.find(({ name }) => name === identity.name)
    if (own === undefined || (await askClock(identity, own, Date.now)) === null)
      throw new OxbowError('guest_unreachable', 'The node of this machine does not run: nobody would answer whoever has the token.', {
        hint: 'Start it first: oxbow cluster join',
      })
    const { token, until } = makeInvite(folder, own.url, Date.now())
    const text = `oxbow cluster join ${token}`
    return printAnswer({ token, expires_at: until, door: own.url }, text, options, terminal)
  } finally {
    await link.close()
  }
}

function ownIdentity(terminal: Terminal): NodeIdentity {
  const identity = readIdentity(ownTrust(terminal))
  if (identity !== null) return identity
  throw new OxbowError('bad_config', 'This machine has not joined a cluster yet.', { hint: 'Make one: oxbow cluster init' })
}

/** Files for a NATS server. Nothing else is changed: a person copies them to it, and includes the settings. */
export async function clusterNats(
  folder: string,
  options: Options & { readonly host: readonly string[] },
  terminal: Terminal,
): Promise<number> {
  const { cluster } = machineConfig(terminal)
  const [trust, name, now] = [ownTrust(terminal), nodeName(cluster), Date.now()]
  // Before `init`: NATS needs the files to start, and `init` needs NATS.
  foundCluster(trust, name, now)
  const { cert, key, ca } = issueForServer(trust, name, options.host, now)
  const files = { 'server.crt': cert, 'server.key': key, 'ca.crt': ca }
  for (const [path, content] of Object.entries(files)) writeWhole(join(folder, path), content)
  const file = join(folder, 'oxbow-tls.conf')
  writeWhole(
    file,
    [
      '# Only nodes with a certificate of this cluster may connect. In the settings of the server: include ./oxbow-tls.conf',
      'tls {',
      `  cert_file: ${JSON.stringify(join(folder, 'server.crt'))}`,
      `  key_file: ${JSON.stringify(join(folder, 'server.key'))}`,
      `  ca_file: ${JSON.stringify(join(folder, 'ca.crt'))}`,
      '  verify: true',
      '}',
      '',
    ].join('\n'),
  )
  const text = `${plainText(file)}\nInclude it in the settings of the NATS server, which must be able to read the files, and name it tls:// in cluster.nats.`
  return printAnswer({ folder, file, hosts: options.host }, text, options, terminal)
}

const dayMs = 86_400_000
const soonDays = 20

/** @param identity what could not be read: why */
export function certificateChecks(
  identity: NodeIdentity | Error | null,
  { nats, nats_ca }: Config['cluster'],
  now: number,
): readonly Check[] {
  const rejoin = 'Join again: oxbow cluster invite where the cluster was made, and oxbow cluster join TOKEN here.'
  if (identity === null || identity instanceof Error) {
    const detail = identity === null ? 'this machine has none' : identity.message
    return [{ check: 'certificate', ok: false, detail, hint: isOxbowError(identity) ? identity.hint : rejoin }]
  }
  const isSecure = nats.every((url) => url.startsWith('tls:')) && nats.length > 0
  const loopback = nats.every((url) => /^\w+:\/\/(?:localhost|127\.|\[::1\])/.test(url))
  return [
    ...[
      { check: 'certificate', pem: identity.cert, hint: `Start the node that made the cluster, which renews it, or: ${rejoin}` },
      {
        check: 'authority',
        pem: identity.ca,
        hint: 'Make the cluster anew before that: move the folders `cluster` away, then oxbow cluster init.',
      },
    ].map(({ check, pem, hint }): Check => {
      const { validFromDate, validToDate } = new X509Certificate(pem)
      const days = Math.floor((validToDate.getTime() - now) / dayMs)
      const isEarly = validFromDate.getTime() > now
      const detail = isEarly ? 'it does not hold yet: the clock of this machine is behind' : `holds for ${days} days`
      return { check, ok: !isEarly && days >= soonDays, detail, hint: isEarly ? 'Set the clock: timedatectl set-ntp true' : hint }
    }),
    {
      check: 'nats over TLS',
      ok: isSecure || loopback,
      detail: isSecure
        ? `authority: ${nats_ca === '' ? 'the cluster’s own' : nats_ca}`
        : loopback
          ? 'not needed on this machine'
          : 'no: leases cross the network in clear',
      hint: 'oxbow cluster nats FOLDER --host NAME writes what a server needs; then name it tls:// in cluster.nats.',
    },
  ]
}
