/** What is in a package, as CycloneDX 1.6: Node, and every package that is installed or compiled in, with licence, address and hash. */
import { createHash } from 'node:crypto'
import { type Locked, nameOf, type Shipped } from './lock-file.ts'

export interface BuiltWith {
  readonly version: string
  /** Of Node. */
  readonly node: string
  /** Unix seconds. */
  readonly at: number
}

/** @returns the same text for the same lock file */
export function billOfMaterials({ lock, paths }: Shipped, { version, node, at }: BuiltWith): string {
  const own = `pkg:npm/oxbow@${version}`
  const components = [...new Map([...paths].map((path) => [addressOf(path, lock[path]!), componentOf(path, lock[path]!)]))]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, component]) => component)
  const runtime = {
    type: 'platform',
    'bom-ref': `pkg:generic/node@${node}`,
    name: 'node',
    version: node,
    licenses: [{ license: { id: 'MIT' } }],
    purl: `pkg:generic/node@${node}`,
  }
  const all = [runtime, ...components]
  const bill = {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${uuidOf(JSON.stringify(all) + version)}`,
    version: 1,
    metadata: {
      timestamp: new Date(at * 1_000).toISOString().replace('.000', ''),
      component: { type: 'application', 'bom-ref': own, name: 'oxbow', version, licenses: [{ license: { id: 'MIT' } }], purl: own },
    },
    components: all,
    dependencies: [{ ref: own, dependsOn: all.map((each) => each['bom-ref']) }],
  }
  return `${JSON.stringify(bill, null, 1)}\n`
}

/** A package URL: https://github.com/package-url/purl-spec. */
function addressOf(path: string, { version = '' }: Locked): string {
  return `pkg:npm/${nameOf(path).replace('@', '%40')}@${version}`
}

function componentOf(path: string, locked: Locked) {
  const { version = '', license = '', integrity = '', resolved = '' } = locked
  const name = nameOf(path)
  const [scope, short] = name.startsWith('@') ? name.split('/') : [undefined, name]
  const isExpression = / (?:AND|OR) /.test(license)
  return {
    type: 'library',
    'bom-ref': addressOf(path, locked),
    ...(scope !== undefined && { group: scope }),
    name: short,
    version,
    hashes: [{ alg: 'SHA-512', content: Buffer.from(integrity.replace('sha512-', ''), 'base64').toString('hex') }],
    licenses: [isExpression ? { expression: license } : { license: { id: license } }],
    purl: addressOf(path, locked),
    ...(resolved !== '' && { externalReferences: [{ type: 'distribution', url: resolved }] }),
  }
}

function uuidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join('-')
}
