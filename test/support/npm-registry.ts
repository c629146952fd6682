/** A registry of npm on this machine, for packages that a test makes. */
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { createGzip } from 'node:zlib'
import { pack } from 'tar-stream'

/** Fields of its package.json, and its other files. Its version is 1.0.0. */
interface RegistryPackage {
  readonly about?: Readonly<Record<string, unknown>>
  readonly files: Readonly<Record<string, string>>
}

export interface NpmRegistry extends AsyncDisposable {
  /** Publishes one, or replaces it. */
  put(name: string, own: RegistryPackage): Promise<void>
  /** With which npm uses it. @param folder for what npm keeps */
  env(folder: string): Readonly<Record<string, string>>
}

export async function openRegistry(): Promise<NpmRegistry> {
  const packages = new Map<string, { readonly about: object; readonly archive: Buffer }>()
  let address = ''
  const server = createServer(({ url = '' }, response): unknown => {
    const name = url.split('/')[1] ?? ''
    const found = packages.get(name)
    if (found === undefined) return response.writeHead(404).end()
    const { archive, about } = found
    if (url.endsWith('.tgz')) return response.end(archive)
    const integrity = `sha512-${createHash('sha512').update(archive).digest('base64')}`
    const version = { ...about, dist: { tarball: `${address}${name}/-/${name}-1.0.0.tgz`, integrity } }
    return response.end(JSON.stringify({ name, 'dist-tags': { latest: '1.0.0' }, versions: { '1.0.0': version } }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  return {
    async put(name, { about: own = {}, files }) {
      const about = { name, version: '1.0.0', ...own }
      packages.set(name, { about, archive: await tarball({ 'package.json': JSON.stringify(about), ...files }) })
    },
    env: (folder) => ({ HOME: folder, npm_config_registry: address, npm_config_cache: join(folder, 'cache') }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}

function tarball(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const packed = pack()
  for (const [name, text] of Object.entries(files)) packed.entry({ name: `package/${name}`, mtime: new Date(0) }, text)
  packed.finalize()
  return buffer(packed.pipe(createGzip()))
}
