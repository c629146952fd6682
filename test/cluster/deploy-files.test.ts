/** The files in `deploy/cluster/`: parsed, and held against each other and against the schema of the configuration. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { loadAll } from 'js-yaml'
import { parse as parseToml } from 'smol-toml'
import { leaveMs } from '../../src/cluster/limits.ts'
import { guestStopTimeoutMs } from '../../src/runner/limits.ts'
import { parseConfig } from '../../src/services/index.ts'
import { withoutProgram } from '../support/needed-program.ts'

const folder = fileURLToPath(new URL('../../deploy/cluster', import.meta.url))
const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
const documents = (name: string): readonly Document[] => loadAll(read(name)) as Document[]
// oxlint-disable-next-line typescript/no-explicit-any -- what a file of others' schemas holds
type Document = Readonly<Record<string, any>>

test('a node of compose and of Kubernetes starts with a configuration that is valid', () => {
  const maps = documents('kubernetes/oxbow.yaml').filter(({ kind }) => kind === 'ConfigMap')
  const inCluster = maps.find(({ metadata }) => metadata.name === 'oxbow-node')!
  for (const [text, host] of [
    [read('config.toml'), 'node-1'],
    [inCluster['data']['config.toml'] as string, 'oxbow-node-0.oxbow-node'],
  ] as const) {
    // As node.sh makes it.
    const made = `${text.replace(/^\[cluster\]$/m, '[cluster]\nnode = "node-1"')}url = "https://${host}:7701"\n`
    const { cluster, store } = parseConfig(parseToml(made), 'the test')
    assert.deepEqual([cluster.node, cluster.peer.url, cluster.replicas, store.durability], ['node-1', `https://${host}:7701`, 3, 'full'])
  }
  assert.equal(inCluster['data']['node.sh'], read('node.sh').replace(/^#.*\n/gm, ''), 'both start a node in the same way')
})

test('compose has three nodes, three NATS servers and a pair of Postgres, each with a volume of its own that is declared', () => {
  const [compose] = documents('compose.yaml') as [Document]
  const services = Object.entries(compose['services'] as Record<string, Document>)
  const named = (kind: string): readonly string[] => services.map(([name]) => name).filter((name) => name.startsWith(kind))
  assert.deepEqual([named('node').length, named('nats').length, named('postgres').length], [3, 3, 2])
  for (const [name, service] of services) {
    assert.ok(typeof service['image'] === 'string' && service['restart'] === 'always', name)
    const volumes = (service['volumes'] as readonly string[]).map((volume) => volume.split(':')[0]!)
    assert.ok(volumes.includes(name) && name in compose['volumes'], name)
    for (const file of volumes.filter((volume) => volume.startsWith('./'))) assert.notEqual(read(file), '')
    if (name.startsWith('node')) assert.equal(service['environment']['NODE'], name)
  }
  for (const name of named('nats'))
    assert.ok(read('nats.conf').includes(`nats://${name}:6222`) && read('config.toml').includes(`nats://${name}:4222`))
})

test('what is selected in Kubernetes is there, and every volume, port and secret that is named', () => {
  const all = documents('kubernetes/oxbow.yaml')
  for (const { apiVersion, kind, metadata } of all) assert.ok(apiVersion && kind && metadata.name)
  const sets = all.filter(({ kind }) => kind === 'StatefulSet')
  assert.deepEqual(
    sets.map(({ spec }) => [spec.serviceName, spec.replicas]),
    [
      ['oxbow-nats', 3],
      ['oxbow-node', 3],
    ],
  )
  for (const { spec } of sets) {
    const labels = spec.template.metadata.labels as Record<string, string>
    assert.deepEqual(spec.selector.matchLabels, labels)
    assert.ok(
      all.some(
        ({ kind, metadata, spec: of }) => kind === 'Service' && metadata.name === spec.serviceName && of.selector.app === labels['app'],
      ),
    )
    const volumes = [...spec.template.spec.volumes, ...spec.volumeClaimTemplates.map(({ metadata }: Document) => metadata)].map(
      ({ name }) => name,
    )
    for (const container of spec.template.spec.containers)
      for (const { name } of container.volumeMounts) assert.ok(volumes.includes(name), name)
    for (const { configMap, secret } of spec.template.spec.volumes)
      if (secret === undefined) assert.ok(all.some(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === configMap.name))
      else assert.ok(read('kubernetes/oxbow.yaml').includes(`create secret generic ${secret.secretName} `))
  }
})

test('whatever starts a node waits for it to give its guests away', () => {
  const needed = (leaveMs + guestStopTimeoutMs) / 1_000
  const [compose] = documents('compose.yaml') as [Document]
  const node = documents('kubernetes/oxbow.yaml').find(({ kind, metadata }) => kind === 'StatefulSet' && metadata.name === 'oxbow-node')!
  const waits = {
    systemd: /^TimeoutStopSec=(\d+)$/m.exec(read('systemd/oxbow-node.service'))?.[1],
    kubernetes: node['spec'].template.spec.terminationGracePeriodSeconds,
    compose: String(compose['services']['node-1'].stop_grace_period).replace(/s$/, ''),
  }
  for (const [what, seconds] of Object.entries(waits))
    assert.ok(Number(seconds) > needed, `${what}: ${seconds} s, and a node needs ${needed}`)
})

test('systemd understands the units', { skip: withoutProgram('systemd-analyze', 'systemd') }, () => {
  const units = mkdtempSync(join(tmpdir(), 'oxbow-units-'))
  try {
    for (const name of readdirSync(join(folder, 'systemd')))
      // The programs need not be installed where they are checked.
      writeFileSync(join(units, name), read(`systemd/${name}`).replaceAll(/^ExecStart=\S+/gm, 'ExecStart=/bin/true'))
    for (const name of readdirSync(units)) {
      const said = execFileSync('sh', ['-c', 'systemd-analyze verify "$1" 2>&1', 'sh', join(units, name)], { encoding: 'utf8' })
      assert.equal(
        said
          .split('\n')
          .filter((line) => line.includes(name))
          .join('\n'),
        '',
      )
    }
  } finally {
    rmSync(units, { recursive: true, force: true })
  }
})
