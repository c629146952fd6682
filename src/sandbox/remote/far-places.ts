/**
 * Versions of branches for which a node has hands, each the workspace of a sandbox that guests elsewhere fill once: branches lie over it, so
 * that all children of a fan-out begin with the same files. Nothing of them is anybody's on this machine, and a version is its user's alone.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { once, OxbowError } from '../../base/index.ts'
import { type Sandbox, type SandboxStatus, sandboxTiers } from '../../protocol/index.ts'
import type { Config } from '../../config/index.ts'
import { createSandbox } from '../create-sandbox.ts'
import { makeSocketPlace } from '../egress/egress-proxy.ts'
import { maxKeptFarVersions } from '../limits.ts'
import { type FarEgress, openFarEgress } from './far-egress.ts'

export interface FarVersion {
  readonly sandbox: Sandbox
  isReady(): boolean
  /** Resolves when nobody else fills it. @returns what ends the turn; `isWhole`: all files are there */
  toFill(): Promise<(isWhole: boolean) => Promise<void>>
  /** Whoever has opened it needs it no more. */
  release(): Promise<void>
}

export interface FarPlaces {
  /** @throws OxbowError `sandbox_missing` where this machine isolates nothing */
  open(user: string, version: string): Promise<FarVersion>
  /** @param branch its name on this machine @returns the network of its programs, until that is closed */
  egress(branch: string): Promise<FarEgress>
  close(): Promise<void>
}

interface PlacesDeps {
  readonly folder: string
  readonly config: Pick<Config, 'sandbox' | 'browser'>
  readonly imageFolder: string
}

interface Kept {
  readonly root: string
  readonly sandbox: Promise<Sandbox>
  isReady: boolean
  users: number
  filling: Promise<void>
}

const readyMark = '.ready'

export function openFarPlaces(deps: PlacesDeps): FarPlaces {
  const all = new Map<string, Kept>()
  const ways = openWays(deps.folder)
  const release = async (key: string, kept: Kept): Promise<void> => {
    kept.users -= 1
    if (kept.users > 0) return
    all.delete(key)
    await (await kept.sandbox.catch(() => null))?.close()
    await removeOldest(
      deps.folder,
      [...all.values()].map(({ root }) => root),
    ).catch(() => {})
  }
  return {
    async open(user, version) {
      const root = join(deps.folder, createHash('sha256').update(user).digest('hex').slice(0, 16), version)
      const kept = all.get(root) ?? {
        root,
        sandbox: openVersion(deps, ways.socketOf, root),
        isReady: false,
        users: 0,
        filling: Promise.resolve(),
      }
      all.set(root, kept)
      kept.users += 1
      try {
        const sandbox = await kept.sandbox
        kept.isReady ||= existsSync(join(root, readyMark))
        if (kept.isReady) await utimes(root, new Date(), new Date())
        return {
          sandbox,
          isReady: () => kept.isReady,
          async toFill() {
            const before = kept.filling
            const mine = Promise.withResolvers<void>()
            kept.filling = mine.promise
            await before
            return async (isWhole) => {
              if (isWhole && !kept.isReady) await writeFile(join(root, readyMark), '')
              kept.isReady ||= isWhole
              mine.resolve()
            }
          },
          release: () => release(root, kept),
        }
      } catch (error) {
        await release(root, kept)
        throw error
      }
    },
    egress: ways.open,
    async close() {
      for (const { sandbox } of all.values()) await (await sandbox.catch(() => null))?.close()
      all.clear()
      await ways.close()
    },
  }
}

async function openVersion(deps: PlacesDeps, socketOf: Ways['socketOf'], root: string): Promise<Sandbox> {
  // What nobody has filled to the end is nobody's version.
  if (!existsSync(join(root, readyMark))) await rm(root, { recursive: true, force: true })
  await mkdir(root, { recursive: true, mode: 0o700 })
  // Branches of a node process that was killed.
  await rm(join(root, 'branches'), { recursive: true, force: true })
  const sandbox = await createSandbox({
    workspaceRoot: root,
    limits: { ...deps.config.sandbox, disk: 'folder' },
    browser: deps.config.browser,
    insecure: false,
    mounts: [],
    imageFolder: deps.imageFolder,
    branchesPass: true,
    egressSocket: (_profile, branch = '') => socketOf(branch),
  })
  if (isIsolated(sandbox.status)) return sandbox
  await sandbox.close()
  throw new OxbowError('sandbox_missing', sandbox.status.problem?.message ?? 'This node has no sandbox.', {
    hint: sandbox.status.problem?.hint ?? '`oxbow doctor` on that node says what is missing.',
  })
}

/** The sockets by which the programs of branches reach the network of their guests. */
interface Ways {
  open(branch: string): Promise<FarEgress>
  /** @throws OxbowError `sandbox_missing` for what is no branch */
  socketOf(branch: string): Promise<string>
  close(): Promise<void>
}

function openWays(folder: string): Ways {
  const all = new Map<string, { readonly path: string; readonly egress: FarEgress }>()
  const place = once(() => makeSocketPlace(`${folder}-egress`, '000000.sock'.length))
  let opened = 0
  return {
    async open(branch) {
      const path = (await place()).path(`${(opened += 1)}.sock`)
      const egress = openFarEgress(path)
      all.set(branch, { path, egress })
      return {
        ...egress,
        async close() {
          all.delete(branch)
          await egress.close()
        },
      }
    },
    async socketOf(branch) {
      const found = all.get(branch)
      if (found === undefined)
        throw new OxbowError('sandbox_missing', 'There is no network here for this.', { hint: 'Only commands of a branch have one.' })
      await found.egress.listen()
      return found.path
    },
    async close() {
      for (const { egress } of all.values()) await egress.close()
      await (await place.made()?.catch(() => null))?.remove()
    },
  }
}

function isIsolated({ tier }: SandboxStatus): boolean {
  return sandboxTiers.some((each) => each === tier)
}

async function removeOldest(folder: string, used: readonly string[]): Promise<void> {
  const found: { readonly root: string; readonly at: number }[] = []
  for (const user of await readdir(folder))
    for (const version of await readdir(join(folder, user))) {
      const root = join(folder, user, version)
      if (!used.includes(root)) found.push({ root, at: (await stat(root)).mtimeMs })
    }
  found.sort((a, b) => b.at - a.at)
  for (const { root } of found.slice(maxKeptFarVersions)) await rm(root, { recursive: true, force: true })
}
