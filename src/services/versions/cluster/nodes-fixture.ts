/** Nodes of a cluster without the cluster: folders on this machine, whose guests have leases of one user in one database. */
import assert from 'node:assert/strict'
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Json, UserId } from '../../../base/index.ts'
import { systemClock } from '../../../base/index.ts'
import type { CallOutcome } from '../../../protocol/index.ts'
import { type Fixture, openFixture } from '../../../kernel/kernel-fixture.ts'
import { createSandbox } from '../../../sandbox/index.ts'
import { testBrowser, testLimits } from '../../../sandbox/sandbox-fixture.ts'
import { type BucketPlace, openStore, type OpeningStore } from '../../../store/index.ts'
import { builtinCalls } from '../../../tools/index.ts'
import { parseConfig, takeOverFiles } from '../../index.ts'
import type { TookOver } from '../take-over-files.ts'

interface GuestOfNode extends AsyncDisposable {
  readonly guest: Fixture
  readonly store: OpeningStore
  readonly took: TookOver
  /** How long it took, without the start of hands. */
  readonly tookMs: number
  ok<Output>(name: string, input: Json): Promise<Output>
}

interface FilesNode {
  readonly name: string
  readonly root: string
  readonly shared: string
  /** Starts a guest with the next lease, which takes the files over. */
  start(): Promise<GuestOfNode>
  write(path: string, text: string | Uint8Array, mode?: number): void
  read(path: string): string
  /** Its disk is lost. */
  wipe(): void
  /** Each file and link of the workspace, with its content and whether it is executable. */
  files(): Readonly<Record<string, string>>
}

interface FilesCluster extends Disposable {
  /** @param at its folder; absent: one of this cluster */
  node(name: string, at?: string): FilesNode
}

const user = 'ada' as UserId

/** @param url of the database; empty: each node has a store in a file, and keeps its files */
export function filesCluster(url: string, bucket: BucketPlace | null = null): FilesCluster {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'oxbow-files-')))
  let epoch = 0
  return {
    node: (name, at = join(root, name)) => nodeIn(at, name, async () => openStore(choiceOf(at, url, name, (epoch += 1), bucket))),
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  }
}

function choiceOf(root: string, url: string, node: string, epoch: number, bucket: BucketPlace | null): Parameters<typeof openStore>[0] {
  const { store } = parseConfig({}, 'the default configuration')
  const config = { ...store, url, url_env: 'NONE' }
  return {
    config,
    environment: {},
    path: join(root, 'internal', 'oxbow.db'),
    user,
    exclusive: true,
    lease: { term: 1, epoch, node },
    bucket,
  }
}

function nodeIn(root: string, name: string, open: () => Promise<OpeningStore>): FilesNode {
  const shared = join(root, 'shared')
  const make = (): void => {
    for (const folder of ['shared', 'tmp', 'vault', 'internal']) mkdirSync(join(root, folder), { recursive: true })
  }
  make()
  return {
    name,
    root,
    shared,
    async start() {
      make()
      const store = await open()
      const sandbox = await createSandbox({ workspaceRoot: root, limits: testLimits, browser: testBrowser, insecure: false, mounts: [] })
      await store.opened()
      const folder = join(root, 'internal', 'versions')
      const place = { user, folder, sandbox, mounts: () => [], coveredFolders: () => [], clock: systemClock, store }
      await sandbox.hands('work')
      const began = performance.now()
      const took = await takeOverFiles({ ...place, config: parseConfig({}, 'the default configuration') }).catch(async (error: unknown) => {
        await sandbox.close()
        await store.close()
        throw error
      })
      const tookMs = performance.now() - began
      const calls = builtinCalls({ files: true, shell: true })
      const guest = await openFixture({ sandbox, store, versionsFolder: folder, calls })
      return {
        guest,
        store,
        took: took ?? { changed: 0, kept: [], from: '' },
        tookMs,
        async ok<Output>(call: string, input: Json) {
          const outcome = await guest.kernel.call(call, input)
          assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
          return (outcome as CallOutcome & { status: 'ok' }).output as Output
        },
        [Symbol.asyncDispose]: () => guest[Symbol.asyncDispose](),
      }
    },
    write(path, text, mode) {
      mkdirSync(join(shared, path, '..'), { recursive: true })
      writeFileSync(join(shared, path), text)
      if (mode !== undefined) chmodSync(join(shared, path), mode)
    },
    read: (path) => readFileSync(join(shared, path), 'utf8'),
    wipe: () => rmSync(root, { recursive: true, force: true }),
    files: () => filesIn(shared),
  }
}

/** @returns each file and link below a folder, with its content and whether it is executable */
function filesIn(folder: string): Readonly<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
    const path = join(folder, name)
    const facts = lstatSync(path)
    if (facts.isSymbolicLink()) found[name] = `-> ${readlinkSync(path)}`
    else if (facts.isFile()) found[name] = `${(facts.mode & 0o111) === 0 ? '' : 'x '}${readFileSync(path, 'latin1')}`
  }
  return found
}
