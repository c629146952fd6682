/**
 * `node scripts/package/main.ts OUT [--key FILE] [--maintainer 'NAME <ADDRESS>'] [--address URL]`: makes every package of a build (`npm run build` first) in the folder OUT:
 *
 *   oxbow-V-linux-x64.tar.gz   with its own Node; what `oxbow upgrade` takes
 *   oxbow-V-linux-x64.run      the same in one file, which unpacks itself with its first start
 *   oxbow_V_amd64.deb          the same as a Debian package
 *   oxbow-V.tgz                npm's
 *   Containerfile, oxbow.rb    recipes for a container and for Homebrew
 *   oxbow.1, oxbow-V.cdx.json  manual, bill of materials
 *   SHA256SUMS, SHA256SUMS.sig hashes of all, and their Ed25519 signature with the key in --key, or in OXBOW_RELEASE_KEY
 *
 * The same sources give the same bytes: one time for all files, SOURCE_DATE_EPOCH or the last commit's.
 */
import { execFileSync } from 'node:child_process'
import { createHash, createPrivateKey, sign } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { printCompletion } from '../../src/cli/completion.ts'
import { buildProgram } from '../../src/cli/program.ts'
import { loadServiceVerbs } from '../../src/cli/service-verbs.ts'
import { gzipped, tarOf } from './archives.ts'
import { billOfMaterials } from './bill-of-materials.ts'
import { debianName, debianPackage, noMaintainer } from './debian-package.ts'
import { readShipped } from './lock-file.ts'
import { manPage } from './man-page.ts'
import { commands, npmTree, packageTree } from './package-tree.ts'
import { containerFile, homebrewFormula, selfUnpacking } from './recipes.ts'

const rootUrl = new URL('../../', import.meta.url)
const root = fileURLToPath(rootUrl)
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { key: { type: 'string' }, maintainer: { type: 'string' }, address: { type: 'string' } },
})
const [folder] = positionals
if (folder === undefined)
  throw new Error(`usage: node scripts/package/main.ts OUT [--key FILE] [--maintainer 'NAME <ADDRESS>'] [--address URL]`)
const maintainer = values.maintainer ?? noMaintainer
if (!/^[^<>\n]+ <[^<>\s]+@[^<>\s]+>$/.test(maintainer)) throw new Error(`--maintainer is like 'Ada Lovelace <ada@example.org>'`)
const out = resolve(folder)
mkdirSync(out, { recursive: true })

/** Unix seconds: when these sources were made. */
function sourceTime(): number {
  const given = process.env['SOURCE_DATE_EPOCH']
  return Number(given ?? execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: root, encoding: 'utf8' }))
}

const silent = { output: process.stdout, errors: process.stderr, input: process.stdin, env: {}, version: '' }

async function completionsOf(): Promise<Readonly<Record<'bash' | 'zsh' | 'fish', string>>> {
  const verbs = await loadServiceVerbs(null)
  const scriptOf = (shell: 'bash' | 'zsh' | 'fish'): string => {
    let text = ''
    const output = new Writable({
      write(chunk, _encoding, done) {
        text += String(chunk)
        done()
      },
    })
    const program = buildProgram(silent, () => {}, verbs)
    printCompletion(shell, program, verbs.verbs, { ...silent, output: output as unknown as NodeJS.WriteStream })
    return text
  }
  return { bash: scriptOf('bash'), zsh: scriptOf('zsh'), fish: scriptOf('fish') }
}

const at = sourceTime()
const shipped = readShipped(rootUrl)
const facts = JSON.parse(readFileSync(join(root, 'dist', 'release.json'), 'utf8')) as { readonly version: string; readonly node: string }
const { version } = facts
const { platform, arch } = process
const manual = Buffer.from(
  manPage(
    buildProgram(silent, () => {}, await loadServiceVerbs(null)),
    at,
  ),
)
const bill = billOfMaterials(shipped, { version, node: facts.node, at })
const node = join(root, 'node_modules', `node-${platform}-${arch}`, 'bin', 'node')
const files = packageTree({ root, platform, arch, manual, bill, shipped, node })
const name = `oxbow-${version}-${platform}-${arch}`
const made = new Map<string, Buffer>()
const tarball = gzipped(tarOf(files, at, `${name}/`))
made.set(`${name}.tar.gz`, tarball)
if (platform === 'linux') made.set(`${name}.run`, selfUnpacking(version, tarball, hashOf(tarball)))
if (platform === 'linux') {
  const [licence, changelog] = ['LICENSE', 'CHANGELOG.md'].map((file) => readFileSync(join(root, file), 'utf8')) as [string, string]
  const debian = {
    version,
    arch,
    at,
    files,
    manual,
    commands: commands(root),
    completions: await completionsOf(),
    licence,
    changelog,
    maintainer,
  }
  made.set(debianName(version, arch), debianPackage(debian))
}
made.set(`oxbow-${version}.tgz`, gzipped(tarOf(npmTree(root), at, 'package/')))
made.set('Containerfile', Buffer.from(containerFile(version, `${name}.tar.gz`)))
const address = values.address ?? 'https://registry.npmjs.org/oxbow/-'
made.set('oxbow.rb', Buffer.from(homebrewFormula(version, hashOf(made.get(`oxbow-${version}.tgz`)!), address)))
made.set('oxbow.1', manual)
made.set(`oxbow-${version}.cdx.json`, Buffer.from(bill))

function hashOf(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}

/** A reader finds the old file or the new one. */
function put(file: string, content: Buffer): void {
  writeFileSync(join(out, `.${file}`), content, { mode: file.endsWith('.run') ? 0o755 : 0o644 })
  renameSync(join(out, `.${file}`), join(out, file))
}

for (const [file, content] of made) put(file, content)
// Packages of other versions and machines in the same folder stay in the list.
const others = existsSync(join(out, 'SHA256SUMS')) ? readFileSync(join(out, 'SHA256SUMS'), 'utf8').split('\n') : []
const kept = others.filter((line) => line !== '' && !made.has(line.slice(66)) && existsSync(join(out, line.slice(66))))
const sums = [...kept, ...[...made].map(([file, content]) => `${hashOf(content)}  ${file}`)].toSorted((a, b) =>
  a.slice(66) < b.slice(66) ? -1 : 1,
)
const list = Buffer.from(`${sums.join('\n')}\n`)
put('SHA256SUMS', list)
const keyFile = values.key ?? process.env['OXBOW_RELEASE_KEY']
if (keyFile === undefined) {
  rmSync(join(out, 'SHA256SUMS.sig'), { force: true })
  process.stdout.write('Not signed: name the key with --key FILE. oxbow upgrade takes only packages that are.\n')
} else put('SHA256SUMS.sig', sign(null, list, createPrivateKey(readFileSync(keyFile, 'utf8'))))
if (maintainer === noMaintainer) process.stdout.write('The Debian package names nobody who answers for it: --maintainer does.\n')
for (const [file, content] of made) process.stdout.write(`${String(content.length).padStart(10)}  ${file}\n`)
