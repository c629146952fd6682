/** What packages are made of: archives that others read, the manual, the bill of materials. Whole packages: packages.full.test.ts. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { arOf, gzipped, type PackedFile, tarOf } from '../../scripts/package/archives.ts'
import { billOfMaterials } from '../../scripts/package/bill-of-materials.ts'
import { readShipped } from '../../scripts/package/lock-file.ts'
import { manPage } from '../../scripts/package/man-page.ts'
import { containerFile, homebrewFormula } from '../../scripts/package/recipes.ts'
import { buildProgram } from '../../src/cli/program.ts'
import { loadServiceVerbs } from '../../src/cli/service-verbs.ts'
import { withoutProgram } from '../support/needed-program.ts'

let folder = ''
before(() => (folder = mkdtempSync(join(tmpdir(), 'oxbow-packages-'))))
after(() => rmSync(folder, { recursive: true, force: true }))

const at = Date.UTC(2026, 10, 26) / 1_000
const silent = { output: process.stdout, errors: process.stderr, input: process.stdin, env: {}, version: '' }

const files: readonly PackedFile[] = [
  { path: 'bin/start', content: Buffer.from('#!/bin/sh\n'), isExecutable: true },
  { path: `${'deeper/'.repeat(18)}name`, content: Buffer.from('odd'), isExecutable: false },
  { path: 'empty', content: Buffer.alloc(0), isExecutable: false },
]

void test(
  'archives do not depend on the order of their files, and tar and ar read them',
  { skip: withoutProgram('ar', 'binutils') },
  () => {
    const [tar, other] = [files, files.toReversed()].map((list) => gzipped(tarOf(list, at, './', [{ path: 'link', target: 'bin/start' }])))
    assert.ok(tar!.equals(other!))
    writeFileSync(join(folder, 'data.tar.gz'), tar!)
    writeFileSync(
      join(folder, 'all.ar'),
      arOf(
        [
          { name: 'odd', content: Buffer.from('odd') },
          { name: 'data.tar.gz', content: tar! },
        ],
        at,
      ),
    )
    execFileSync('ar', ['x', 'all.ar', 'data.tar.gz'], { cwd: folder })
    assert.equal(execFileSync('ar', ['t', join(folder, 'all.ar')], { encoding: 'utf8' }), 'odd\ndata.tar.gz\n')
    const listed = execFileSync('tar', ['-tzvf', join(folder, 'data.tar.gz'), '--utc', '--full-time'], { encoding: 'utf8' })
    const names = listed
      .trimEnd()
      .split('\n')
      .map((line) => line.replaceAll(/ +/g, ' ').replace('2026-11-26 00:00:00 ', ''))
    assert.deepEqual(names, [
      'drwxr-xr-x 0/0 0 ./',
      'drwxr-xr-x 0/0 0 ./bin/',
      '-rwxr-xr-x 0/0 10 ./bin/start',
      ...Array.from({ length: 18 }, (_, depth) => `drwxr-xr-x 0/0 0 ./${'deeper/'.repeat(depth + 1)}`),
      `-rw-r--r-- 0/0 3 ./${'deeper/'.repeat(18)}name`,
      '-rw-r--r-- 0/0 0 ./empty',
      'lrwxrwxrwx 0/0 0 ./link -> bin/start',
    ])
  },
)

void test('the manual has every verb, and mandoc has nothing to say about it', async (t) => {
  const manual = manPage(
    buildProgram(silent, () => {}, await loadServiceVerbs(null)),
    at,
  )
  for (const verb of ['.It Ic run Op Ar text ...', '.It Ic store migrate', '.It Ic schedule add', '.It Ic upgrade Op Ar version'])
    assert.ok(manual.includes(`\n${verb}`), verb)
  const missing = withoutProgram('mandoc')
  if (missing !== false) return t.skip(missing)
  writeFileSync(join(folder, 'oxbow.1'), manual)
  const { stdout, stderr } = spawnSync('mandoc', ['-Tlint', join(folder, 'oxbow.1')], { encoding: 'utf8' })
  assert.equal(stdout + stderr, '')
})

void test('the bill of materials has each shipped package once, with licence, hash and address', () => {
  const shipped = readShipped(new URL('../../', import.meta.url))
  const parts = { version: '1.2.3', node: '24.21.0', at }
  const text = billOfMaterials(shipped, parts)
  assert.equal(text, billOfMaterials(shipped, parts))
  const bill = JSON.parse(text) as Bill
  assert.match(bill.serialNumber, /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  assert.deepEqual([bill.bomFormat, bill.specVersion, bill.metadata.timestamp], ['CycloneDX', '1.6', '2026-11-26T00:00:00Z'])
  const [node, ...libraries] = bill.components
  assert.equal(node!.purl, 'pkg:generic/node@24.21.0')
  const references = bill.components.map((component) => component['bom-ref'])
  assert.equal(new Set(references).size, references.length)
  assert.deepEqual(bill.dependencies, [{ ref: 'pkg:npm/oxbow@1.2.3', dependsOn: references }])
  assert.ok(libraries.length > 100)
  for (const { name, version, purl, licenses, hashes, externalReferences } of libraries) {
    assert.ok(purl.startsWith('pkg:npm/') && purl.endsWith(`/${name}@${version}`), purl)
    const [{ license, expression = license?.id }] = licenses as [Licence]
    assert.ok(expression !== undefined && expression !== '', name)
    assert.match(hashes![0]!.content, /^[0-9a-f]{128}$/)
    for (const { url } of externalReferences ?? []) assert.match(url, /^https:\/\/registry\.npmjs\.org\//)
  }
})

interface Licence {
  readonly license?: { readonly id: string }
  readonly expression?: string
}

interface Bill {
  readonly bomFormat: string
  readonly specVersion: string
  readonly serialNumber: string
  readonly metadata: { readonly timestamp: string }
  readonly components: readonly {
    readonly 'bom-ref': string
    readonly name: string
    readonly version: string
    readonly purl: string
    readonly licenses: readonly Licence[]
    readonly hashes?: readonly { readonly content: string }[]
    readonly externalReferences?: readonly { readonly url: string }[]
  }[]
  readonly dependencies: readonly object[]
}

void test('the recipes name the package of this version, and Ruby reads the formula', (t) => {
  assert.match(containerFile('1.2.3', 'oxbow-1.2.3-linux-x64.tar.gz'), /^ADD oxbow-1\.2\.3-linux-x64\.tar\.gz \/opt\/$/m)
  const formula = homebrewFormula('1.2.3', 'a'.repeat(64), 'https://packages.example')
  assert.match(formula, /url "https:\/\/packages\.example\/oxbow-1\.2\.3\.tgz"\n +sha256 "a{64}"/)
  const missing = withoutProgram('ruby')
  if (missing !== false) return t.skip(missing)
  execFileSync('ruby', ['-c'], { input: formula, stdio: ['pipe', 'ignore', 'inherit'] })
})
