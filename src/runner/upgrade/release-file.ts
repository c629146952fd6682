/**
 * Gets a package and trusts nothing of it before its hash: `SHA256SUMS` next to it is signed (Ed25519, `SHA256SUMS.sig`), and names it. Only then
 * is it unpacked, into a folder of its own that is renamed when it is whole.
 */
import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import { createReadStream, createWriteStream, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { mkdir, open } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { createGunzip } from 'node:zlib'
import { errorMessage, OxbowError } from '../../base/index.ts'
import { readEntries } from '../../tar/index.ts'
import { downloadMs, maxListBytes, maxPackageBytes, maxPackedEntries, maxUnpackedPackageBytes } from './limits.ts'
import { releaseKeys } from './release-keys.ts'
import { assertIntact, compareVersions, hashOf, type Installed, installedAt, versionPattern } from './versions.ts'

/** Where packages are: a folder, or an address. */
export interface PackagePlace {
  /** For people. */
  readonly where: string
  read(name: string): Promise<Buffer>
  /** @returns the path of the file, copied to the folder if it is not on this machine */
  fetch(name: string, folder: string): Promise<string>
}

/** A package whose hash is signed. */
export interface Release {
  readonly version: string
  readonly file: string
  readonly hash: string
}

/** @param source `upgrade.source`. @throws OxbowError `bad_input` for an address without https, `not_found` for a folder that does not exist */
export function packagePlace(source: string): PackagePlace {
  const url = URL.parse(source)
  if (url !== null && url.protocol === 'file:') return folderPlace(fileURLToPath(url))
  if (url !== null && /^https?:$/.test(url.protocol)) return webPlace(url)
  return folderPlace(resolve(source))
}

function folderPlace(folder: string): PackagePlace {
  if (!existsSync(folder))
    throw new OxbowError('not_found', `There is no folder ${folder}.`, {
      hint: 'Correct upgrade.source, or name a package: oxbow upgrade --from FILE',
    })
  return {
    where: folder,
    async read(name) {
      const path = join(folder, name)
      if (!existsSync(path)) throw missing(folder, name)
      if (statSync(path).size > maxListBytes) throw tooLarge(path)
      return readFileSync(path)
    },
    async fetch(name) {
      const path = join(folder, name)
      if (!existsSync(path)) throw missing(folder, name)
      if (statSync(path).size > maxPackageBytes) throw tooLarge(path)
      return path
    },
  }
}

/** Without TLS, whoever is on the way could hold back newer versions; what they send must be signed all the same. */
function webPlace(base: URL): PackagePlace {
  const isHere = ['localhost', '127.0.0.1', '[::1]'].includes(base.hostname)
  if (base.protocol !== 'https:' && !isHere)
    throw new OxbowError('bad_input', `${base.href} is not an address with https.`, {
      hint: 'Set upgrade.source to an address with https.',
    })
  const get = async (name: string, maxBytes: number): Promise<AsyncIterable<Uint8Array>> => {
    const url = new URL(name, base.href.endsWith('/') ? base.href : `${base.href}/`)
    try {
      const response = await fetch(url, { redirect: 'follow', signal: AbortSignal.timeout(downloadMs) })
      if (!response.ok || response.body === null) throw new Error(`HTTP ${response.status}`)
      return atMost(response.body, maxBytes, url.href)
    } catch (cause) {
      const why = errorMessage(cause instanceof Error && cause.cause !== undefined ? cause.cause : cause)
      throw new OxbowError('not_found', `${url.href} cannot be read: ${why}.`, {
        hint: 'Is upgrade.source right, and is the network there?',
        cause,
      })
    }
  }
  return {
    where: base.href,
    async read(name) {
      const pieces: Uint8Array[] = []
      for await (const piece of await get(name, maxListBytes)) pieces.push(piece)
      return Buffer.concat(pieces)
    },
    async fetch(name, folder) {
      const path = join(folder, name)
      await pipeline(Readable.from(await get(name, maxPackageBytes)), createWriteStream(path, { mode: 0o600 }))
      return path
    },
  }
}

const missing = (folder: string, name: string): OxbowError =>
  new OxbowError('not_found', `There is no ${name} in ${folder}.`, {
    hint: 'A package counts only next to its signed list of hashes: SHA256SUMS and SHA256SUMS.sig.',
  })

const tooLarge = (what: string): OxbowError =>
  new OxbowError('limit_reached', `${what} is larger than any package of Oxbow.`, { hint: 'Name a package that SHA256SUMS lists.' })

/**
 * @returns the packages for this machine, the newest first
 * @throws OxbowError `denied` when no known key has signed the list
 */
export async function listReleases(place: PackagePlace, keys: readonly string[]): Promise<readonly Release[]> {
  const [sums, signature] = [await place.read('SHA256SUMS'), await place.read('SHA256SUMS.sig')]
  const known = [...releaseKeys, ...keys].map(keyOf)
  if (!known.some((key) => verify(null, sums, key, signature))) {
    throw new OxbowError('denied', `No key that Oxbow knows has signed SHA256SUMS of ${place.where}. Nothing was installed.`, {
      hint: 'Get the package from where Oxbow is published. If you built it yourself, add your public key: oxbow config set upgrade.keys …',
    })
  }
  const named = new RegExp(`^([0-9a-f]{64}) [ *](oxbow-(\\S+)-${process.platform}-${process.arch}\\.tar\\.gz)$`)
  return sums
    .toString('utf8')
    .split('\n')
    .flatMap((line) => {
      const [, hash, file, version] = named.exec(line) ?? []
      return hash === undefined || file === undefined || version === undefined || !versionPattern.test(version)
        ? []
        : [{ hash, file, version }]
    })
    .toSorted((a, b) => compareVersions(b.version, a.version))
}

function keyOf(text: string): KeyObject {
  return createPublicKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'spki' })
}

/**
 * Puts a package below the folder of versions. One that is there already and intact stays.
 * @throws OxbowError `denied` for another hash than the signed one, `bad_input` for an archive that cannot be unpacked
 */
export async function install(place: PackagePlace, { file, hash, version }: Release, versions: string): Promise<Installed> {
  const root = join(versions, version)
  const there = existsSync(root)
    ? await assertIntact(root).then(
        () => installedAt(root),
        () => null,
      )
    : null
  if (there !== null && there.version === version) return there
  const staging = join(versions, `.unpacking-${version}`)
  rmSync(staging, { recursive: true, force: true })
  mkdirSync(staging, { recursive: true, mode: 0o700 })
  try {
    const path = await place.fetch(file, staging)
    if ((await hashOf(path)) !== hash)
      throw new OxbowError('denied', `${file} is not the file that was signed. Nothing was installed.`, { hint: 'Download it again.' })
    const unpacked = join(staging, 'package')
    await unpack(path, unpacked)
    await assertIntact(unpacked)
    const found = installedAt(unpacked)
    if (found?.version !== version)
      throw new OxbowError('bad_input', `${file} holds version ${found?.version ?? 'nothing'}.`, { hint: 'Get the package again.' })
    rmSync(root, { recursive: true, force: true })
    renameSync(unpacked, root)
    return installedAt(root)!
  } finally {
    rmSync(staging, { recursive: true, force: true })
  }
}

/** A package has one folder at its top, which is left out. */
async function unpack(archive: string, to: string): Promise<void> {
  const refused = (why: string, cause?: unknown): OxbowError =>
    new OxbowError('bad_input', `${basename(archive)} cannot be unpacked: ${why}.`, { hint: 'Get the package again.', cause })
  const unzipped = createGunzip()
  // The loop below fails with the same error.
  pipeline(createReadStream(archive), unzipped).catch(() => {})
  try {
    let count = 0
    for await (const { name, kind, mode, content } of readEntries(atMost(unzipped, maxUnpackedPackageBytes, archive), refused)) {
      if ((count += 1) > maxPackedEntries) throw refused('it has too many files')
      const parts = name
        .split('/')
        .filter((part) => part !== '')
        .slice(1)
      if (kind !== 'folder' && kind !== 'file') throw refused(`${name} is a link`)
      if (name.startsWith('/') || parts.some((part) => part === '..' || part === '.' || part.includes('\\')))
        throw refused(`${name} leaves the package`)
      const path = join(to, ...parts)
      await mkdir(kind === 'folder' ? path : dirname(path), { recursive: true, mode: 0o755 })
      if (kind === 'folder') continue
      // A second entry of a name would replace the first one.
      const target = await open(path, 'wx', (mode & 0o111) === 0 ? 0o644 : 0o755)
      try {
        for await (const piece of content) await target.writeFile(piece)
        await target.sync()
      } finally {
        await target.close()
      }
    }
  } catch (error) {
    if (error instanceof OxbowError || ['ENOSPC', 'EDQUOT', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    throw refused(errorMessage(error), error)
  }
}

async function* atMost(bytes: AsyncIterable<Uint8Array>, maxBytes: number, what: string): AsyncGenerator<Uint8Array> {
  let count = 0
  for await (const piece of bytes) {
    count += piece.length
    if (count > maxBytes) throw tooLarge(what)
    yield piece
  }
}
