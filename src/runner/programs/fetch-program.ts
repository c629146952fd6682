/**
 * Brings the package of a program into a folder of its own without running anything of it, and says what pins it: of an archive the hash that
 * a person gives along, of git the commit, of npm the hash of its tarball.
 */
import { createHash } from 'node:crypto'
import { execFile } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { mkdir, open, rm, stat } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { OxbowError, withoutSequences } from '../../base/index.ts'
import type { ProgramSource } from '../../config/index.ts'
import type { HostEnv } from '../home.ts'
import { gitFetchMs, maxArchiveBytes } from '../limits.ts'
import { copyTree, dropTop, npmSpec, tooLarge, unpack, unpackFromNpm } from '../plugins/fetch-package.ts'

/**
 * @param from an absolute path of a folder, or of an archive with `#sha256=HEX`; an address of an archive with that; `npm:NAME@VERSION`;
 * `git+URL` with `#REF`
 * @param staging an empty folder @throws OxbowError
 */
export async function fetchProgram(from: string, staging: string, env: HostEnv): Promise<ProgramSource> {
  if (from.startsWith('npm:')) return fromNpm(from, staging, env)
  if (from.startsWith('git+')) return fromGit(from.slice('git+'.length), staging, env)
  if (/^https?:/.test(from)) return fromAddress(from, staging)
  const [path, sha256] = splitHash(from)
  const stats = await stat(path).catch(() => null)
  if (stats?.isDirectory() === true) {
    await copyTree(path, staging, '', { entries: 0, bytes: 0 })
    return { from: 'folder', path }
  }
  if (stats?.isFile() === true) return fromArchive(path, path, sha256, staging)
  throw new OxbowError('not_found', `There is no folder or archive ${path}.`, {
    hint: 'Give a folder with program.toml, ARCHIVE.tgz#sha256=HASH, npm:NAME@VERSION or git+URL#TAG.',
  })
}

/** @throws OxbowError `bad_input` for a hash that cannot be one */
function splitHash(from: string): readonly [place: string, sha256: string | undefined] {
  const [, place = from, sha256] = /^(.*)#sha256=(.*)$/s.exec(from) ?? []
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/i.test(sha256))
    throw new OxbowError('bad_input', `${JSON.stringify(sha256)} is no SHA-256, which has 64 digits from 0 to f.`, {
      hint: `Give the one that the author of the archive publishes: ${place}#sha256=HASH`,
    })
  return [place, sha256?.toLowerCase()]
}

async function fromNpm(from: string, staging: string, env: HostEnv): Promise<ProgramSource> {
  const [, name, version] = npmSpec.exec(from) ?? []
  if (name === undefined || version === undefined)
    throw new OxbowError('bad_input', `${from} does not name a package with an exact version.`, {
      hint: 'For example: npm:@acme/tidy@1.2.0',
    })
  const spec = `${name}@${version}`
  return { from: 'npm', spec, integrity: await unpackFromNpm(spec, staging, env) }
}

async function fromArchive(place: string, file: string, sha256: string | undefined, staging: string): Promise<ProgramSource> {
  const hash = createHash('sha256')
  const { size } = await stat(file)
  if (size > maxArchiveBytes) throw tooLarge(`more than ${maxArchiveBytes} bytes`)
  await pipeline(createReadStream(file), hash)
  const found = hash.digest('hex')
  if (sha256 === undefined)
    throw new OxbowError('bad_input', `An archive needs the hash that its author publishes, and ${place} has none.`, {
      hint: `Append it to the archive: ${place}#sha256=HASH. This one has ${found}; compare it first.`,
    })
  if (found !== sha256)
    throw new OxbowError('denied', `${place} is not the archive with that hash: its SHA-256 is ${found}.`, {
      hint: 'Do not install it. Fetch it again, or ask its author.',
    })
  await unpack(file, size, staging)
  await dropTop(staging)
  return { from: 'archive', place, sha256 }
}

async function fromAddress(from: string, staging: string): Promise<ProgramSource> {
  const [place, sha256] = splitHash(from)
  const url = new URL(place)
  const isHere = ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname)
  if (url.protocol !== 'https:' && !isHere)
    throw new OxbowError('bad_input', `${url.origin} is not encrypted.`, { hint: 'Use an address that begins with https.' })
  if (sha256 === undefined)
    throw new OxbowError('bad_input', 'An archive needs the hash that its author publishes.', {
      hint: `Append it to the address: ${place}#sha256=HASH`,
    })
  const folder = `${staging}.archive`
  await mkdir(folder)
  try {
    await download(url, `${folder}/archive.tgz`)
    return await fromArchive(place, `${folder}/archive.tgz`, sha256, staging)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function download(url: URL, file: string): Promise<void> {
  const failed = (why: string, cause?: unknown): OxbowError =>
    new OxbowError('tool_failed', `${url.origin} did not send the archive: ${why}.`, {
      hint: isUntrusted(cause)
        ? 'Check the address. To trust an authority of your own, start Oxbow with NODE_EXTRA_CA_CERTS set to its file.'
        : 'Check the address and the connection.',
      cause,
    })
  const response = await fetch(url, { signal: AbortSignal.timeout(gitFetchMs) }).catch((error: unknown) => {
    throw failed(isUntrusted(error) ? 'its certificate is not trusted' : 'it cannot be reached', error)
  })
  if (!response.ok || response.body === null) throw failed(`it answers ${response.status}`)
  const out = await open(file, 'wx')
  try {
    let bytes = 0
    for await (const piece of response.body) {
      bytes += piece.length
      if (bytes > maxArchiveBytes) throw tooLarge(`more than ${maxArchiveBytes} bytes`)
      await out.writeFile(piece)
    }
  } finally {
    await out.close()
  }
}

/** Whether a request has failed for the certificate of the server. */
function isUntrusted(error: unknown): boolean {
  const { code = '' } = ((error as { readonly cause?: unknown } | undefined)?.cause ?? {}) as { readonly code?: string }
  return /CERT|SIGNATURE/.test(code)
}

/** What could begin with a dash would be an option of git. */
const refPattern = /^[A-Za-z0-9][\w./+-]{0,199}$/
const urlPattern = /^(?:https:\/\/|ssh:\/\/|file:\/\/\/|git@)[^\s-]\S*$/

async function fromGit(given: string, staging: string, env: HostEnv): Promise<ProgramSource> {
  const at = given.indexOf('#')
  const [url, ref] = at === -1 ? [given, ''] : [given.slice(0, at), given.slice(at + 1)]
  if (!urlPattern.test(url) || (ref !== '' && !refPattern.test(ref)))
    throw new OxbowError('bad_input', `git+${given.slice(0, 300)} is not a repository that can be fetched.`, {
      hint: 'For example: git+https://example.com/tidy.git#v1.2.0',
    })
  const clone = `${staging}.git`
  await mkdir(clone)
  try {
    await git(['init', '-q'], clone, env)
    await git(['fetch', '-q', '--depth=1', '--no-tags', '--no-recurse-submodules', '--', url, ref === '' ? 'HEAD' : ref], clone, env)
    const commit = (await git(['rev-parse', 'FETCH_HEAD^{commit}'], clone, env)).trim()
    await git(['checkout', '-q', '--detach', commit], clone, env)
    await copyTree(clone, staging, '', { entries: 0, bytes: 0 })
    return { from: 'git', url, ref, commit }
  } finally {
    await rm(clone, { recursive: true, force: true })
  }
}

/** Without hooks, filters and settings of the person: what is checked out is what the commit has. @throws OxbowError `tool_failed` */
function git(args: readonly string[], cwd: string, env: HostEnv): Promise<string> {
  const own = { ...env, GIT_TERMINAL_PROMPT: '0', GIT_CONFIG_SYSTEM: '/dev/null', GIT_ATTR_NOSYSTEM: '1', GIT_LFS_SKIP_SMUDGE: '1' }
  const settings = [
    'core.hooksPath=/dev/null',
    'core.symlinks=true',
    'core.autocrlf=false',
    'protocol.ext.allow=never',
    'core.fsmonitor=false',
  ]
  return new Promise((done, fail) => {
    execFile(
      'git',
      [...settings.flatMap((each) => ['-c', each]), ...args],
      { cwd, env: own, timeout: gitFetchMs },
      (error, stdout, stderr) => {
        if (error === null) return done(stdout)
        const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
        const why = isMissing ? 'git was not found.' : `git failed: ${withoutSequences(stderr.slice(0, 1_000).trim())}`
        const hint = isMissing ? 'Install git, or install the program from a folder.' : 'Check the address and the tag, and the connection.'
        fail(new OxbowError('tool_failed', why, { hint, cause: error }))
      },
    )
  })
}
