/** Files of a cluster's user: what it adds to a change that it is kept in the store, and how long a node takes to get them. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { filesCluster } from '../../src/services/versions/cluster/nodes-fixture.ts'
import { createDatabase, type PostgresServer, postgresSkip, startPostgres } from '../../src/store/postgres/postgres-fixture.ts'
import type { Measure } from '../measure.ts'
import { bounded, ms, type Row, shown, times } from '../report.ts'
import { median } from '../statistics.ts'

const rounds = 20
const changedFiles = 10

export const clusterFiles: Measure = {
  name: 'cluster-files',
  title: 'Files of a cluster',
  how: `A server of its own with fsync on, on the same machine; two folders as nodes, files of 400 bytes in 100 folders. A command changes ${changedFiles} files of 1 000, and is answered when they are kept; in the same run without a cluster. Then the other node takes the user over, with hands that run.`,
  async run() {
    const skip = postgresSkip()
    if (skip !== false) return [shown('not measured', skip)]
    await using server = await startPostgres({ durable: true })
    return [...(await changes(server)), ...(await takeovers(server, 1_000)), ...(await takeovers(server, 10_000))]
  },
}

const command = `for i in $(seq ${changedFiles}); do echo x >> d1/f$((i * 100 + 1)).txt 2>/dev/null || echo x > d1/g$i.txt; done`
const contentOf = (at: number): string => `file ${at}\n`.repeat(40)
const pathOf = (at: number): string => `d${at % 100}/f${at}.txt`

async function changes(server: PostgresServer): Promise<readonly Row[]> {
  await using database = await createDatabase(server)
  using kept = filesCluster(database.url)
  using own = filesCluster('')
  const all = [kept, own].map((cluster) => cluster.node('a'))
  for (const node of all) for (let at = 0; at < 1_000; at += 1) node.write(pathOf(at), contentOf(at))
  const took: [number[], number[]] = [[], []]
  const guests = await Promise.all(all.map((node) => node.start()))
  try {
    for (const guest of guests) await guest.ok('shell.exec', { command })
    for (let round = 0; round < rounds; round += 1)
      for (const [at, guest] of guests.entries()) {
        const began = performance.now()
        await guest.ok('shell.exec', { command })
        took[at]!.push(performance.now() - began)
      }
  } finally {
    for (const guest of guests) await guest[Symbol.asyncDispose]()
  }
  const [there, here] = took.map(median) as [number, number]
  const compared = `without a cluster ${ms(here)}, ${times(there / here)}`
  return [bounded(`a command that changes ${changedFiles} files, p50`, ms(there), compared, '+ 20 ms', there - here < 20)]
}

async function takeovers(server: PostgresServer, count: number): Promise<readonly Row[]> {
  await using database = await createDatabase(server)
  using cluster = filesCluster(database.url)
  const [a, b] = [cluster.node('a'), cluster.node('b')]
  for (let at = 0; at < count; at += 1) a.write(pathOf(at), contentOf(at))
  const first = await a.start()
  await first.ok('shell.exec', { command })
  await first[Symbol.asyncDispose]()
  const plain = plainMs(count)
  const cold = await b.start()
  await cold.ok('shell.exec', { command })
  await cold[Symbol.asyncDispose]()
  const warm = await a.start()
  await warm[Symbol.asyncDispose]()
  const same = await a.start()
  await same[Symbol.asyncDispose]()
  return [
    shown(`${count} files on a node that has none`, ms(cold.tookMs), `as many plain files ${ms(plain)}, ${times(cold.tookMs / plain)}`),
    shown(`${count} files where ${warm.took.changed} differ`, ms(warm.tookMs), times(warm.tookMs / cold.tookMs)),
    shown(`${count} files where nothing is new`, ms(same.tookMs), times(same.tookMs / cold.tookMs)),
  ]
}

function plainMs(count: number): number {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-plain-'))
  const began = performance.now()
  for (let at = 0; at < count; at += 1) {
    mkdirSync(join(folder, `d${at % 100}`), { recursive: true })
    writeFileSync(join(folder, pathOf(at)), contentOf(at))
  }
  const took = performance.now() - began
  rmSync(folder, { recursive: true })
  return took
}
