/**
 * Models that make vectors of texts, in the home's folder `embedders/`: which are there, and how one gets there. What comes over
 * the network is three files of data that nothing runs; each has a bound, and its hash is told to the person.
 */
import { createHash } from 'node:crypto'
import { createWriteStream, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { OxbowError } from '../../types/index.ts'
import type { Home } from '../home.ts'
import { embedderPullMs, embedderRedirects } from '../limits.ts'

export interface PulledFile {
  readonly name: string
  readonly bytes: number
  /** SHA-256, lower-case hex. */
  readonly hash: string
}

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
  return readdirSync(folder)
    .filter((name) => Object.keys(files).every((file) => existsSync(join(folder, name, file))))
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
  mkdirSync(pulling, { recursive: true, mode: 0o700 })
  try {
    const pulled: PulledFile[] = []
    for (const [file, most] of Object.entries(files)) pulled.push(await pullFile(new URL(file, base), join(pulling, file), most))
    const path = join(folder, name)
    rmSync(path, { recursive: true, force: true })
    renameSync(pulling, path)
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

/** Over TLS, or from this machine. */
function mayAsk(url: URL): boolean {
  const isLocal = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)
  return url.username === '' && (url.protocol === 'https:' || (url.protocol === 'http:' && isLocal))
}

async function pullFile(url: URL, path: string, most: number): Promise<PulledFile> {
  const name = url.pathname.split('/').at(-1) ?? ''
  const signal = AbortSignal.timeout(embedderPullMs)
  try {
    const response = await ask(url, signal)
    const hash = createHash('sha256')
    let bytes = 0
    const counted = async function* (): AsyncGenerator<Uint8Array> {
      for await (const chunk of response.body ?? []) {
        bytes += chunk.length
        if (bytes > most) throw failed(`${name} is larger than ${most} bytes`)
        hash.update(chunk)
        yield chunk
      }
    }
    await pipeline(counted, createWriteStream(path, { mode: 0o600 }))
    return { name, bytes, hash: hash.digest('hex') }
  } catch (cause) {
    if (cause instanceof OxbowError) throw cause
    if (signal.aborted) throw failed(`${url.origin} did not send all of ${name} in time`, cause)
    const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
    throw failed(`${name} of ${url.origin}: ${inner instanceof Error ? inner.message : String(inner)}`, cause)
  }
}

/** Large files are kept on other hosts than their names: redirects are followed, to addresses that may be asked. */
async function ask(first: URL, signal: AbortSignal): Promise<Response> {
  let url = first
  for (let hops = 0; hops <= embedderRedirects; hops += 1) {
    const response = await fetch(url, { redirect: 'manual', signal })
    if (response.ok) return response
    await response.body?.cancel()
    const location = response.headers.get('location')
    if (response.status < 300 || response.status >= 400 || location === null) throw failed(`${url.origin} answered ${response.status}`)
    const next = URL.canParse(location, url.href) ? new URL(location, url.href) : null
    if (next === null || !mayAsk(next) || (first.protocol === 'https:' && next.protocol !== 'https:')) {
      throw failed(`${url.origin} redirects to an address that may not be asked`)
    }
    url = next
  }
  throw failed(`${first.origin} redirects more than ${embedderRedirects} times`)
}

function badInput(what: string): OxbowError {
  return new OxbowError('bad_input', what, {
    hint: `Name one of ${Object.keys(published).join(', ')}, or give the https address of a folder with a model2vec model by --from.`,
  })
}

function failed(what: string, cause?: unknown): OxbowError {
  return new OxbowError('tool_failed', `the model cannot be fetched: ${what}`, {
    hint: 'What was there before is as it was. Try again later, or name another address with --from.',
    ...(cause === undefined ? {} : { cause }),
  })
}
