/**
 * The root file system of a machine that tests Oxbow on another kernel: programs of this system by their packages, Node, this
 * repository, and the hostile program instead of a compiler. Nothing is compiled inside, for an emulated processor is slow: the
 * hands program is joined here, and what Node makes of the sources comes along as its compile cache.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, copyFile, mkdir, readdir, readFile, realpath, symlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { loadHandsProgram } from '../../src/sandbox/bubblewrap/hands-program.ts'
import { sharedLibraries } from '../../src/sandbox/image/root-tree.ts'

const run = promisify(execFile)
const maxBuffer = 64 * 1024 * 1024

/** This repository, at the same place inside. */
export const repository: string = join(import.meta.dirname, '../..')
export const insideNode = '/usr/local/bin/node'
/** What Node keeps of sources that it has read once; inside, for root. */
export const insideCache = '/opt/cache'

/** Debian packages that the sandbox is made of, and whose programs tests use. */
export const packages: readonly string[] = [
  ['bash', 'dash', 'coreutils', 'util-linux', 'util-linux-extra', 'bsdutils', 'mount', 'bubblewrap', 'perl-base', 'git', 'grep'],
  ['sed', 'findutils', 'tar', 'procps', 'hostname', 'libc-bin', 'gzip', 'busybox-static'],
].flat()

/** Packages of node_modules that the sandbox and its tests load. */
const modules = ['zod', '@lydell/node-pty']

export async function makeFolders(tree: string): Promise<void> {
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
    await mkdir(join(tree, 'usr', name), { recursive: true })
    await symlink(`usr/${name}`, join(tree, name))
  }
  const empty = ['proc', 'sys', 'dev', 'run', 'tmp', 'root', 'home', 'mnt', 'media', 'srv', 'opt', 'boot', 'var/tmp', 'etc']
  for (const name of empty) await mkdir(join(tree, name), { recursive: true })
}

/** Copies the files of the packages as they are installed here, with the libraries that they and `more` need. */
export async function addInstalled(tree: string, more: readonly string[], morePackages: readonly string[] = []): Promise<void> {
  // util-linux-extra is part of util-linux in older releases: what is not installed by a name is under another.
  const listed = await run('dpkg', ['-L', ...packages, ...morePackages], { maxBuffer }).catch((error: { stdout?: string }) => ({
    stdout: error.stdout ?? '',
  }))
  const found = new Set<string>()
  for (const line of new Set(listed.stdout.split('\n'))) {
    if (/^\/(?:usr\/|s?bin\/|lib|etc\/)/.test(line) && !/^\/usr\/(?:share|lib\/git-core)\//.test(line)) await addFile(found, line)
  }
  const programs = [...found].filter((path) => /\/s?bin\/[^/]+$/.test(path))
  for (const library of await sharedLibraries('ldd', [...programs, ...more])) await addFile(found, library)
  const list = join(tree, '..', 'files')
  await writeFile(list, [...found].map((path) => path.slice(1)).join('\n'))
  await run('sh', ['-ec', 'tar -C / -cf - --no-recursion -T "$0" | tar -C "$1" -xf -', list, tree], { maxBuffer })
}

/** By its place without links above it, as /bin is one; a link with what it leads to. Folders are left out. */
async function addFile(found: Set<string>, path: string): Promise<void> {
  try {
    const place = join(await realpath(dirname(path)), basename(path))
    const target = await realpath(path)
    if (found.has(place) || (await readFile(target)).length < 0) return
    found.add(place)
    if (target !== place) found.add(target)
  } catch {
    // A folder, or a file that this system was installed without.
  }
}

export interface RepositoryParts {
  readonly node: string
  /** Folders with packages of node_modules in addition to the ones that are the same on all processors. */
  readonly addon: { readonly name: string; readonly folder: string }
  readonly abuse: Buffer
  /** Suites whose Node compile cache comes along; empty where this processor's would not do. */
  readonly warm: readonly string[]
}

export async function addRepository(tree: string, { node, addon, abuse, warm }: RepositoryParts): Promise<void> {
  const inside = join(tree, repository)
  await mkdir(join(inside, 'node_modules'), { recursive: true })
  for (const name of ['src', 'test']) await cp(join(repository, name), join(inside, name), { recursive: true })
  await copyFile(join(repository, 'package.json'), join(inside, 'package.json'))
  for (const name of modules) await cp(join(repository, 'node_modules', name), join(inside, 'node_modules', name), { recursive: true })
  await cp(addon.folder, join(inside, 'node_modules', addon.name), { recursive: true })
  await mkdir(join(tree, dirname(insideNode)), { recursive: true })
  await copyFile(node, join(tree, insideNode))
  await writeFile(join(inside, 'src/sandbox/bubblewrap/hands.cjs'), await loadHandsProgram())
  await writeFile(join(tree, 'opt/abuse'), abuse, { mode: 0o755 })
  const cc = '#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\nexec cp /opt/abuse "$2"\n'
  await writeFile(join(tree, 'usr/bin/cc'), cc, { mode: 0o755 })
  if (!existsSync(join(tree, 'etc/passwd'))) {
    await writeFile(join(tree, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/bash\n')
    // Trap: a check opens it to show that a descriptor of it is not handed on.
    await writeFile(join(tree, 'etc/shadow'), 'root:*:20000:0:99999:7:::\n', { mode: 0o600 })
  }
  if (warm.length === 0) return
  const env = { ...process.env, NODE_COMPILE_CACHE: join(tree, insideCache) }
  await run(node, ['--test', '--test-isolation=none', '--test-name-pattern=^no such test$', ...warm], { env, cwd: repository, maxBuffer })
}

/** Further modules of a kernel's package, with their dependencies before them. */
export async function readModules(
  packageFile: string,
  folder: string,
  names: readonly string[],
): Promise<{ name: string; data: Buffer }[]> {
  const unpacked = join(folder, 'package')
  await run('dpkg-deb', ['--extract', packageFile, unpacked])
  const entries = await readdir(join(unpacked, 'lib/modules'), { recursive: true })
  return Promise.all(
    names.map(async (name) => {
      const path = entries.find((entry) => entry.endsWith(`/${name}.ko`))
      if (path === undefined) throw new Error(`the kernel package has no module ${name}`)
      return { name, data: await readFile(join(unpacked, 'lib/modules', path)) }
    }),
  )
}
