/**
 * Models that make vectors of texts, in the home's folder `embedders/`: which are there, and how one gets there. What comes over
 * the network is three files of data that nothing runs; each has a bound, and its hash is told to the person.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { OxbowError } from '../../types/index.ts'
import type { Home } from '../home.ts'
import { mayAsk, type PulledFile, pullFile } from './pull-file.ts'

export interface PulledEmbedder {
  readonly name: string
  /** For `memory.embedder`: `folder:` and this. */
  readonly path: string
  readonly files: readonly PulledFile[]
}

/** Names that are fetched without `--from`, and where they are published. */
const published: Readonly<Record<string, string>> = Object.fromEntries(
  ['potion-base-2M', 'potion-base-4M', 'potion-base-8M', 'potion-base-32M', 'potion-retrieval-32M', 'potion-multilingual-128M'].map(
    (name) => [name, `https://huggingface.co/minishlab/${name}/resolve/main/`],
  ),
)

/** Bytes taken of each file: twice what the largest known model has. */
const files: Readonly<Record<string, number>> = {
  'config.json': 64 * 1024,
  'tokenizer.json': 64 * 1024 * 1024,
  'model.safetensors': 1024 * 1024 * 1024,
}

/** @returns those that are complete. */
export function listEmbedders({
  root,
}: Pick<Home, 'root'>): readonly { readonly name: string; readonly path: string; readonly bytes: number }[] {
  const folder = join(root, 'embedders')
  if (!existsSync(folder)) return []
  clearLeftovers(folder)
  return readdirSync(folder)
    .filter((name) => !name.startsWith('.') && Object.keys(files).every((file) => existsSync(join(folder, name, file))))
    .map((name) => ({ name, path: join(folder, name), bytes: statSync(join(folder, name, 'model.safetensors')).size }))
}

/**
 * Fetches a model; one of this name that is there is replaced when all of the new one has come.
 * @param from where its files are, in place of where it is published
 * @throws OxbowError `bad_input` for a name or address that may not be used, `tool_failed` for a download that fails; nothing is left
 */
export async function pullEmbedder({ root }: Pick<Home, 'root'>, name: string, from = ''): Promise<PulledEmbedder> {
  if (!/^[A-Za-z0-9][\w.-]{0,63}$/.test(name)) throw badInput(`${JSON.stringify(name.slice(0, 64))} is no name of a model`)
  const base = checkedUrl(from || (published[name] ?? ''), name)
  const folder = join(root, 'embedders')
  const pulling = join(folder, `.pulling-${name}-${process.pid}`)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  clearLeftovers(folder)
  mkdirSync(pulling, { mode: 0o700 })
  try {
    const pulled: PulledFile[] = []
    for (const [file, most] of Object.entries(files)) pulled.push(await pullFile(new URL(file, base), join(pulling, file), most))
    const path = join(folder, name)
    const old = join(folder, `.old-${name}-${process.pid}`)
    if (existsSync(path)) renameSync(path, old)
    renameSync(pulling, path)
    rmSync(old, { recursive: true, force: true })
    return { name, path, files: pulled }
  } finally {
    rmSync(pulling, { recursive: true, force: true })
  }
}

function checkedUrl(address: string, name: string): URL {
  if (address === '') throw badInput(`nobody publishes ${JSON.stringify(name)} that Oxbow knows of`)
  const url = URL.canParse(address) ? new URL(address.endsWith('/') ? address : `${address}/`) : null
  if (url !== null && mayAsk(url)) return url
  throw badInput(`${JSON.stringify(address.slice(0, 200))} is no address that a model may come from`)
}

function badInput(what: string): OxbowError {
  return new OxbowError('bad_input', what, {
    hint: `Name one of ${Object.keys(published).join(', ')}, or give the https address of a folder with a model2vec model by --from.`,
  })
}

/**
 * What a pull that was killed left behind: half of a model goes, and one that was to be replaced, and was not, takes its place again.
 * A pull that runs in another process is let be.
 */
function clearLeftovers(folder: string): void {
  for (const left of readdirSync(folder)) {
    const [, kind, name = '', pid] = /^\.(pulling|old)-(.+)-(\d+)$/.exec(left) ?? []
    if (kind === undefined || isAlive(Number(pid))) continue
    if (kind === 'old' && !existsSync(join(folder, name))) renameSync(join(folder, left), join(folder, name))
    else rmSync(join(folder, left), { recursive: true, force: true })
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return pid !== process.pid
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
