/**
 * Embedding models in the home's folder `embedders/`: lists and downloads them. A model is three data files, which are never executed;
 * each has a size limit, and its hash is shown to the person.
 */
import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { isAlive, ownValue, OxbowError } from '../../base/index.ts'
import { forgetOrigin, isBegun, mayAsk, type PulledFile, pullFile } from './pull-file.ts'
import { type Home, hostFiles, makeFolder } from '../home.ts'
import { embedderLeftoverMs } from '../limits.ts'

interface PulledEmbedder {
  readonly name: string
  /** Path for `memory.embedder = "folder:PATH"`. */
  readonly path: string
  readonly files: readonly PulledFile[]
}

/** Names that can be pulled without `--from`, and where they are published. */
const published: Readonly<Record<string, string>> = Object.fromEntries(
  ['potion-base-2M', 'potion-base-4M', 'potion-base-8M', 'potion-base-32M', 'potion-retrieval-32M', 'potion-multilingual-128M'].map(
    (name) => [name, `https://huggingface.co/minishlab/${name}/resolve/main/`],
  ),
)

/** Maximum size of each file: twice the largest known model's. */
const files: Readonly<Record<string, number>> = {
  'config.json': 64 * 1024,
  'tokenizer.json': 64 * 1024 * 1024,
  'model.safetensors': 1024 * 1024 * 1024,
}

/** @returns those that are complete. @throws OxbowError `store_full`, `bad_config` for a folder that cannot be used */
export function listEmbedders({
  root,
}: Pick<Home, 'root'>): readonly { readonly name: string; readonly path: string; readonly bytes: number }[] {
  const folder = join(root, 'embedders')
  if (!existsSync(folder)) return []
  return hostFiles(() => {
    clearLeftovers(folder)
    return readdirSync(folder)
      .filter((name) => !name.startsWith('.') && Object.keys(files).every((file) => existsSync(join(folder, name, file))))
      .map((name) => ({ name, path: join(folder, name), bytes: statSync(join(folder, name, 'model.safetensors')).size }))
  })
}

/**
 * Downloads a model, replacing one of the same name when the download is complete. Resumes an interrupted pull.
 * @param from address of its files, instead of the published one
 * @throws OxbowError `bad_input` for an invalid name or address, `tool_failed` for a failed download, whose partial file is kept for the
 * next pull, `store_full` or `bad_config` for a folder that cannot be used
 */
export async function pullEmbedder({ root }: Pick<Home, 'root'>, name: string, from = ''): Promise<PulledEmbedder> {
  if (!/^[A-Za-z0-9][\w.-]{0,63}$/.test(name)) throw badInput(`${JSON.stringify(name.slice(0, 64))} is not a valid model name`)
  const base = checkedUrl(from || (ownValue(published, name) ?? ''), name)
  const folder = join(root, 'embedders')
  const pulling = join(folder, `.pulling-${name}-${process.pid}`)
  hostFiles(() => {
    makeFolder(folder)
    clearLeftovers(folder)
    takeUp(folder, name, pulling)
  })
  let at = ''
  try {
    const pulled: PulledFile[] = []
    for (const [file, most] of Object.entries(files)) {
      at = join(pulling, file)
      pulled.push(await pullFile(new URL(file, base), at, most))
    }
    for (const { name: file } of pulled) forgetOrigin(join(pulling, file))
    const path = join(folder, name)
    const old = join(folder, `.old-${name}-${process.pid}`)
    if (existsSync(path)) renameSync(path, old)
    renameSync(pulling, path)
    rmSync(old, { recursive: true, force: true })
    return { name, path, files: pulled }
  } catch (error) {
    if (!isBegun(at)) rmSync(pulling, { recursive: true, force: true })
    throw error
  }
}

function checkedUrl(address: string, name: string): URL {
  if (address === '') throw badInput(`Oxbow has no download address for ${JSON.stringify(name)}`)
  const url = URL.canParse(address) ? new URL(address.endsWith('/') ? address : `${address}/`) : null
  if (url !== null && mayAsk(url)) return url
  throw badInput(`${JSON.stringify(address.slice(0, 200))} is not an address that models can be downloaded from`)
}

function badInput(what: string): OxbowError {
  return new OxbowError('bad_input', what, {
    hint: `Name one of ${Object.keys(published).join(', ')}, or pass the https address of a folder with a model2vec model as --from.`,
  })
}

interface Left {
  readonly path: string
  readonly kind: string
  readonly name: string
}

/** Removes leftovers of earlier pulls, except of one that is running in another process. */
function leftovers(folder: string): readonly Left[] {
  return readdirSync(folder).flatMap((left) => {
    const [, kind, name = '', pid] = /^\.(pulling|old)-(.+)-(\d+)$/.exec(left) ?? []
    const runs = Number(pid) !== process.pid && isAlive(Number(pid))
    return kind === undefined || runs ? [] : [{ path: join(folder, left), kind, name }]
  })
}

/** Restores a model whose replacement failed. A partial download is kept for a while, so that it can be resumed. */
function clearLeftovers(folder: string): void {
  for (const { path, kind, name } of leftovers(folder)) {
    if (kind === 'old' && !existsSync(join(folder, name))) renameSync(path, join(folder, name))
    else if (kind === 'old' || Date.now() - statSync(path).mtimeMs > embedderLeftoverMs) rmSync(path, { recursive: true, force: true })
  }
}

/** Creates the folder of a pull, reusing the partial download of the same model if there is one. */
function takeUp(folder: string, name: string, pulling: string): void {
  const own = leftovers(folder).filter((left) => left.kind === 'pulling' && left.name === name && left.path !== pulling)
  for (const { path } of own) {
    if (existsSync(pulling)) rmSync(path, { recursive: true, force: true })
    else renameSync(path, pulling)
  }
  makeFolder(pulling)
}
