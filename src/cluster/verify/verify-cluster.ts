/**
 * The checker of the tests, turned on a cluster that people use. It only reads: each user's journal as the store has it, and who may write by the
 * keys in NATS and by the rows in Postgres, which no node can change behind the other's back.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { OxbowError, type UserId } from '../../base/index.ts'
import type { StoreConfig } from '../../config/index.ts'
import { loadStoredLeases, openStore, storeAddress, type StoredLease } from '../../store/index.ts'
import type { NodeIdentity } from '../trust/node-identity.ts'
import { askClock } from '../trust/node-requests.ts'
import type { ClusterLink } from '../nats-link.ts'
import type { LeaseNote } from '../notes.ts'
import type { Finding, Told } from './laws.ts'
import { verifyUser, type UserReport } from './verify-user.ts'

export interface VerifyDeps {
  readonly link: ClusterLink
  /** Of this machine; null: it has joined no cluster, so that the nodes are not asked whether they answer. */
  readonly identity: NodeIdentity | null
  /** Of this machine: the store that all nodes share. */
  readonly store: StoreConfig
  readonly environment: Readonly<Record<string, string>>
  /** Only this one. */
  readonly user?: string | undefined
  /** What this program knows of users. */
  readonly told?: ReadonlyMap<string, Told>
}

/** A guest that is just being moved has written before its key says so: looked at again after so long, it agrees. */
const againMs = 3_000

/** @returns users one after another, and last what concerns leases and nodes @throws OxbowError where NATS or Postgres cannot be used */
export async function* verifyCluster({
  link,
  identity,
  store: config,
  environment,
  user: only,
  told,
}: VerifyDeps): AsyncGenerator<UserReport> {
  const address = sharedAddress({ config, environment })
  const { storedLeases } = await loadStoredLeases()
  const look = async () => ({ stored: await storedLeases(address), ...(await link.all()) })
  const first = await look()
  const users = [...new Set([...first.stored.map(({ user }) => user), ...first.leases.keys()])].toSorted()
  for (const user of users) {
    if (only !== undefined && user !== only) continue
    const store = await openStore({ config, environment, path: '', user: user as UserId, readOnly: true })
    try {
      yield await verifyUser(store, told?.get(user))
    } finally {
      await store.close()
    }
  }
  let findings = leaseFindings(link.term, first.stored, first.leases)
  if (findings.length > 0) {
    await sleep(againMs)
    const again = await look()
    const kept = new Set(leaseFindings(link.term, again.stored, again.leases).map(({ user }) => user))
    findings = findings.filter(({ user }) => kept.has(user))
  }
  const lost = await Promise.all(
    first.nodes.map(async ({ name, url }): Promise<readonly Finding[]> =>
      identity === null || (await askClock(identity, { url, name }, Date.now)) !== null
        ? []
        : [{ user: '', law: 'lease', detail: `the node ${name} does not answer at ${url} from here` }],
    ),
  )
  const about = [...findings, ...lost.flat()].filter(({ user }) => only === undefined || user === '' || user === only)
  yield { user: '', records: 0, open: 0, findings: about }
}

/** @throws OxbowError `bad_config` for a file, which only this machine has */
export function sharedAddress(choice: Parameters<typeof storeAddress>[0]): string {
  const address = storeAddress(choice)
  if (address !== '') return address
  throw new OxbowError('bad_config', 'The store of this machine is a file: there is no cluster to verify.', {
    hint: '`oxbow audit verify` checks the journal of one machine.',
  })
}

/** A guest that serves has claimed its lease in Postgres before; nobody has written under a newer one. */
export function leaseFindings(term: number, stored: readonly StoredLease[], leases: ReadonlyMap<string, LeaseNote>): readonly Finding[] {
  const rows = new Map(stored.map((row) => [row.user, row]))
  return [...leases].flatMap(([user, { state, node, epoch }]): Finding[] => {
    if (state !== 'ready') return []
    const row = rows.get(user)
    const say = (detail: string): Finding[] => [{ user, law: 'lease', detail }]
    if (row === undefined) return say(`${node} serves under the lease ${epoch}, and nobody has claimed one in Postgres`)
    if (row.term === term && row.epoch === epoch) return []
    const isNewer = row.term > term || (row.term === term && row.epoch > epoch)
    return say(
      isNewer
        ? `${node} serves under the lease ${epoch}, and ${row.node} has written under the newer ${row.epoch}`
        : `${node} serves under the lease ${epoch}, and in Postgres the newest is ${row.epoch} of ${row.node}: it serves another database`,
    )
  })
}
