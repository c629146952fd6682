/**
 * The files of a cluster's users, in the database: packs of versions (see `src/repository/`) in the order in which they were made, the large
 * contents next to them, and the newest version of each user, all written under the fence of the user's lease. What a version needs is there
 * before the row that names it: in the same statement, or, where it is large, in statements or objects before it. What a crash leaves of
 * these is named by no row, and `collect` removes it.
 *
 * The fence is one statement, not a transaction: it locks the row of the lease while it runs, for which a newer claim waits, and does nothing
 * where the row is of another lease. So a paused guest holds no lock, and a stale one changes nothing.
 *
 * The guest’s store makes the tables when it claims the lease (`lease-fence.ts`), and gives the guest’s role its rights: what is asked before fails.
 */
import { createHash } from 'node:crypto'
import { OxbowError, type UserId } from '../../base/index.ts'
import type { GuestLease } from '../../config/index.ts'
import { staleLease } from '../postgres/lease-fence.ts'
import { parseAddress } from '../postgres/postgres-address.ts'
import { postgresFault, retryWaitMs } from '../postgres/postgres-fault.ts'
import { openPgDriver, type PostgresSession, type Query } from '../postgres/postgres-session.ts'
import type { Bucket } from './bucket.ts'
import type { FilesPlace } from './files-place.ts'
import { filesPatienceMs, minBucketBytes, partBytes, readAtOnceBytes } from './limits.ts'

/** The newest version. */
export interface NewestFiles {
  /** Of the workspace; empty: it has no version yet. */
  readonly head: string
  /** Other names of versions, by their paths in the repository. */
  readonly refs: Readonly<Record<string, string>>
  /** Of the newest pack. */
  readonly seq: number
  readonly node: string
}

/** `pack`: objects of versions; `large`: a content of its own. */
export type KeptKind = 'pack' | 'large'

export interface KeptPack {
  readonly seq: number
  readonly name: string
  readonly kind: KeptKind
  readonly bytes: number
}

/** A content to keep, read in pieces. */
export interface NewPack {
  readonly name: string
  readonly kind: KeptKind
  readonly bytes: number
  read(offset: number, length: number): Buffer
}

interface PushHow {
  readonly after: readonly string[]
  readonly only?: readonly string[] | undefined
}

export interface KeptFiles {
  /** @returns null where nothing is kept yet */
  newest(): Promise<NewestFiles | null>
  /** @returns the packs after one, the oldest first */
  packs(since: number): Promise<readonly KeptPack[]>
  /** @param take is called with the pieces of each, in order; `last` with the last one */
  read(
    packs: readonly KeptPack[],
    take: (pack: KeptPack, piece: { readonly offset: number; readonly content: Buffer; readonly last: boolean }) => void,
  ): Promise<void>
  /**
   * Durable when it resolves. Safe to repeat.
   * @param how `after`: versions, one among which is the newest as far as this node knows, empty for none; `only`: packs that stay, absent: all
   * @returns the place of the newest pack
   * @throws OxbowError `stale_epoch`; `tool_failed` if the store has a version that this node did not know; or the failure of the database or bucket
   */
  push(packs: readonly NewPack[], newest: Pick<NewestFiles, 'head' | 'refs'>, how: PushHow): Promise<number>
  /** Removes contents that no row names. @returns how many */
  collect(): Promise<number>
  /** Never throws. */
  close(): Promise<void>
}

/** The row of the lease, if it is this one; it stays locked until the statement has ended. */
const fence = `"fence" as (select 1 from "cluster_lease" where "user" = $1 and "term" = $2 and "epoch" = $3 for share)`

/** Connects with the first request. */
export function openKeptFiles(place: FilesPlace): KeptFiles {
  const { user, lease } = place
  const { shown } = parseAddress(place.address)
  const { ask, close } = createConnection(place)
  const bucket = openBucketOf(place)
  const fenced = [user, lease.term, lease.epoch] as const
  const changed = async (query: Query): Promise<readonly unknown[]> => {
    const [row] = await ask(query)
    if (row === undefined) throw staleLease(lease, shown)
    return row
  }
  return {
    async newest() {
      const [row] = await ask({ text: newestText, values: [user] })
      if (row === undefined) return null
      const [head, refs, seq, node] = row as [string, string, number, string]
      return { head, refs: JSON.parse(refs) as NewestFiles['refs'], seq, node }
    },
    async packs(since) {
      const text = `select "seq", "name", "kind", "bytes" from "cluster_packs" where "user" = $1 and "seq" > $2 order by "seq"`
      const rows = (await ask({ text, values: [user, since] })) as [number, string, KeptKind, number][]
      return rows.map(([seq, name, kind, bytes]) => ({ seq, name, kind, bytes }))
    },
    read: (packs, take) => readPacks({ user, ask, bucket }, packs, take),
    async push(packs, { head, refs }, how) {
      const placed = await Promise.all(packs.map(async (pack) => ({ pack, ...(await placeOf({ place, ask, bucket }, pack)) })))
      const query = pushQuery(fenced, placed, { head, refs: JSON.stringify(refs), node: lease.node }, how)
      const [isHeld, seq] = await changed(query)
      if (isHeld !== true) throw staleLease(lease, shown)
      if (seq === null) throw behind(lease)
      return Number(seq)
    },
    async collect() {
      // Rows: only whoever has the lease adds some, one after the other, so what no row names now is named by none.
      const gone = `delete from "cluster_parts" p using "fence" where p."user" = $1 and not exists
        (select 1 from "cluster_packs" k where k."user" = $1 and k."name" = p."name" and k."place" = '') returning 1`
      const text = `with ${fence}, "gone" as (${gone}) select (select count(*) from "gone") from "fence"`
      const rows = Number((await changed({ text, values: [...fenced] }))[0])
      if (place.bucket === null) return rows
      const opened = await bucket()
      const listed = await opened.list(`${user}/`)
      const named = await ask({ text: `select "place", "name" from "cluster_packs" where "user" = $1 and "place" <> ''`, values: [user] })
      const kept = new Set(named.map(([at, name]) => `${user}/${objectsOf(at as string).at}/${name as string}/`))
      // Objects of a newer lease are somebody else's, who may be about to name them.
      const unnamed = listed.filter((key) => !kept.has(key.slice(0, key.lastIndexOf('/') + 1)) && isOfLease(key, lease))
      await opened.remove(unnamed)
      return rows + unnamed.length
    },
    close,
  }
}

const newestText = `select "head", "refs", "seq", "node" from "cluster_files" where "user" = $1`

type AskRows = (query: Query) => Promise<readonly (readonly unknown[])[]>

interface Connection {
  readonly ask: AskRows
  close(): Promise<void>
}

/** One session, made anew where it was lost; all statements are safe to repeat. */
function createConnection({ address, user, role, lease }: FilesPlace): Connection {
  const { shown } = parseAddress(address)
  const driver = openPgDriver({ url: address, connections: 1, name: `oxbow, files of ${user}`, rows: { user, role }, isWatched: true })
  let open: Promise<PostgresSession> | null = null
  const drop = async (): Promise<void> => {
    const old = open
    open = null
    await old?.then((session) => session.close()).catch(() => {})
  }
  return {
    async ask(query) {
      const until = performance.now() + filesPatienceMs
      for (let tries = 0; ; tries += 1) {
        try {
          const session = await (open ??= driver.connect())
          return await session.rows(query)
        } catch (error) {
          const isLost = (await open?.then((session) => session.isLost()).catch(() => true)) ?? true
          const fault = postgresFault(error, shown, isLost)
          if (isLost) await drop()
          const wait = retryWaitMs(tries)
          const mayPass = fault.kind === 'away' || fault.kind === 'conflict' || fault.kind === 'slow'
          if (!mayPass || performance.now() + wait > until) throw unkept(fault.error, lease)
          await new Promise((resolve) => setTimeout(resolve, wait))
        }
      }
    },
    async close() {
      await drop()
      await driver.close()
    },
  }
}

function unkept(error: OxbowError, { node }: GuestLease): OxbowError {
  return new OxbowError(error.code, `The files could not be kept in the store of the cluster: ${error.message}`, {
    hint: `They are on ${node} only, until a later change of files keeps them, too. ${error.hint}`,
    cause: error,
  })
}

function openBucketOf({ bucket, lease }: FilesPlace): () => Promise<Bucket> {
  let open: Promise<Bucket> | null = null
  return () => {
    if (bucket === null)
      throw new OxbowError('bad_config', 'Contents of files are in a bucket, and this node has none.', {
        hint: `Set cluster.blobs on ${lease.node} as it is on the other nodes.`,
      })
    return (open ??= import('./bucket.ts').then((part) => part.openBucket(bucket)))
  }
}

interface Ways {
  readonly ask: AskRows
  readonly bucket: () => Promise<Bucket>
}

/** Where a content is. `bodies`: they go with the row that names it. */
interface Placed {
  readonly pack: NewPack
  readonly parts: number
  /** Of the objects in the bucket, see `objectsOf`; empty: in the database. */
  readonly at: string
  readonly bodies: readonly Buffer[]
}

async function placeOf({ place, ask, bucket }: Ways & { readonly place: FilesPlace }, pack: NewPack): Promise<Omit<Placed, 'pack'>> {
  const { user, lease } = place
  const parts = Math.max(1, Math.ceil(pack.bytes / partBytes))
  const bodyOf = (part: number): Buffer => pack.read(part * partBytes, Math.min(partBytes, pack.bytes - part * partBytes))
  if (place.bucket !== null && pack.bytes > minBucketBytes) {
    const at = `${lease.term}-${lease.epoch}`
    const opened = await bucket()
    const hash = createHash('sha256')
    for (let part = 0; part < parts; part += 1) {
      const body = bodyOf(part)
      hash.update(body)
      await opened.put(`${user}/${at}/${pack.name}/${part}`, body)
    }
    return { parts, at: `${at}.${hash.digest('hex')}`, bodies: [] }
  }
  if (parts === 1) return { parts, at: '', bodies: [bodyOf(0)] }
  const text = `insert into "cluster_parts" ("user", "name", "part", "body") values ($1, $2, $3, $4) on conflict do nothing`
  for (let part = 0; part < parts; part += 1) await ask({ text, values: [user, pack.name, part, bodyOf(part)] })
  return { parts, at: '', bodies: [] }
}

/**
 * What a row says of a content in the bucket: the lease under which it was written, and its hash. Whoever can write in the bucket, and not in the
 * database, changes nothing that anybody reads. Rows of older versions have no hash.
 */
function objectsOf(place: string): { readonly at: string; readonly sha256: string } {
  const [at = '', sha256 = ''] = place.split('.')
  return { at, sha256 }
}

function pushQuery(
  fenced: readonly unknown[],
  placed: readonly Placed[],
  { head, refs, node }: { readonly head: string; readonly refs: string; readonly node: string },
  { after, only }: PushHow,
): Query {
  const values: unknown[] = [...fenced, head, refs, node, placed.length]
  const given = (value: unknown, type: string): string => `$${values.push(value)}::${type}`
  const packs = placed.map(({ pack, parts, at }, n) =>
    [
      String(n + 1),
      given(pack.name, 'text'),
      given(pack.kind, 'text'),
      given(pack.bytes, 'bigint'),
      given(parts, 'bigint'),
      given(at, 'text'),
    ].join(', '),
  )
  const bodies = placed.flatMap(({ pack, bodies: all }) =>
    all.map((body, part) => `${given(pack.name, 'text')}, ${part}, ${given(body, 'bytea')}`),
  )
  // Its own, too, where the answer to it was lost.
  const base = `"base" as (select coalesce(f."seq", 0) as "seq" from "fence" left join "cluster_files" f on f."user" = $1
    where coalesce(f."head", '') = any (${given([...after, head], 'text[]')}))`
  const parts = [
    fence,
    base,
    packs.length > 0 &&
      `"packs" as (insert into "cluster_packs" ("user", "seq", "name", "kind", "bytes", "parts", "place")
        select $1, b."seq" + n.c1, n.c2, n.c3, n.c4, n.c5, n.c6 from "base" b, (values (${packs.join('), (')})) as n(c1, c2, c3, c4, c5, c6)
        on conflict do nothing)`,
    bodies.length > 0 &&
      `"bodies" as (insert into "cluster_parts" ("user", "name", "part", "body")
        select $1, n.c1, n.c2, n.c3 from "base", (values (${bodies.join('), (')})) as n(c1, c2, c3) on conflict do nothing)`,
    only !== undefined &&
      `"joined" as (delete from "cluster_packs" k using "base" b where k."user" = $1 and k."kind" = 'pack' and k."seq" <= b."seq"
        and k."name" <> all (${given(only, 'text[]')}))`,
    `"newest" as (insert into "cluster_files" as f ("user", "head", "refs", "seq", "node") select $1, $4, $5, b."seq" + $7::bigint, $6 from "base" b
      on conflict ("user") do update set "head" = excluded."head", "refs" = excluded."refs", "seq" = excluded."seq", "node" = excluded."node",
      "at" = now())`,
  ]
  return {
    text: `with ${parts.filter((part) => part !== false).join(',\n')} select exists (select 1 from "fence"), (select "seq" + $7::bigint from "base")`,
    values,
  }
}

async function readPacks(
  { user, ask, bucket }: Ways & { readonly user: UserId },
  packs: readonly KeptPack[],
  take: Parameters<KeptFiles['read']>[1],
): Promise<void> {
  const facts = `select "name", "parts", "place" from "cluster_packs" where "user" = $1 and "name" = any ($2)`
  const bodies = `select "name", "body" from "cluster_parts" where "user" = $1 and "part" = 0 and "name" = any ($2)`
  for (const some of grouped(packs)) {
    const names = some.map(({ name }) => name)
    const rows = await ask({ text: facts, values: [user, names] })
    const found = new Map(rows.map(([name, parts, at]) => [name as string, { parts: parts as number, at: at as string }]))
    const first = new Map((await ask({ text: bodies, values: [user, names] })).map(([name, body]) => [name as string, body as Uint8Array]))
    for (const pack of some) {
      const { parts = 0, at: place = '' } = found.get(pack.name) ?? {}
      const { at, sha256 } = objectsOf(place)
      const hash = sha256 === '' ? null : createHash('sha256')
      for (let part = 0, offset = 0; part < parts; part += 1) {
        const held = part === 0 && at === '' ? first.get(pack.name) : undefined
        const body =
          held ?? (at === '' ? await partOf(ask, user, pack.name, part) : await (await bucket()).get(`${user}/${at}/${pack.name}/${part}`))
        if (body === null) throw missing(pack.name)
        hash?.update(body)
        if (part === parts - 1 && hash !== null && hash.digest('hex') !== sha256) throw damaged(pack.name)
        const content = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
        take(pack, { offset, content, last: part === parts - 1 })
        offset += content.length
      }
      if (parts === 0) throw missing(pack.name)
    }
  }
}

async function partOf(ask: AskRows, user: UserId, name: string, part: number): Promise<Uint8Array | null> {
  const text = `select "body" from "cluster_parts" where "user" = $1 and "name" = $2 and "part" = $3`
  const [row] = await ask({ text, values: [user, name, part] })
  return (row?.[0] as Uint8Array | undefined) ?? null
}

/** Packs whose first parts fit in one answer. */
function grouped(packs: readonly KeptPack[]): readonly (readonly KeptPack[])[] {
  const groups: KeptPack[][] = []
  let bytes = Infinity
  for (const pack of packs) {
    const size = Math.min(pack.bytes, partBytes)
    if (bytes + size > readAtOnceBytes) {
      groups.push([])
      bytes = 0
    }
    groups.at(-1)!.push(pack)
    bytes += size
  }
  return groups
}

/** @param key `user/term-epoch/name/part` @returns whether this lease or an older one has written it */
function isOfLease(key: string, { term, epoch }: GuestLease): boolean {
  const [, ofTerm = 'NaN', ofEpoch = 'NaN'] = /^[^/]+\/(\d+)-(\d+)\//.exec(key) ?? []
  return Number(ofTerm) < term || (Number(ofTerm) === term && Number(ofEpoch) <= epoch)
}

function behind({ node }: GuestLease): OxbowError {
  return new OxbowError(
    'tool_failed',
    `The store of the cluster has newer files than ${node} knew: nothing of its own was put over them.`,
    {
      hint: 'The next start of the guest takes them over. It needs a sandbox: oxbow doctor',
    },
  )
}

function damaged(name: string): OxbowError {
  return new OxbowError('store_corrupt', `The contents ${name} of files in the bucket are not the ones that were put there.`, {
    hint: 'See who can write in the bucket. A node that had the user before has them, too: oxbow cluster move USER NODE. Else restore a backup of the bucket.',
  })
}

function missing(name: string): OxbowError {
  return new OxbowError('store_corrupt', `The store of the cluster has lost the contents ${name} of files.`, {
    hint: 'A node that had the user before has them, too: oxbow cluster move USER NODE. Else restore a backup of the database and the bucket.',
  })
}
