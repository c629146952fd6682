/** Two nodes as a person has them: the agents of a guest on one build on the other, and a person sees, merges and takes back. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { clusterSkip, startCluster, until } from '../cluster-fixture.ts'
import { openSite, processesWith } from './hands-fixture.ts'

const skip = clusterSkip()

const call = (name: string, command: string) => ({ events: [{ tool_call: { name, arguments: { command } } }] })
const says = { events: [{ text: 'Built: {{last}}' }] }
const scenario = (url: string) => ({
  turns: [
    { match: 'part one', steps: [call('shell_exec', 'echo one > one.txt'), call('shell_exec', 'sleep 74.25'), says] },
    { match: 'part two', steps: [call('shell_online', `curl -sS ${url} > two.txt`), says] },
  ],
})

test('agents of a guest build on another node, whose loss costs one command, and their branches are merged', { skip }, async () => {
  await using site = await openSite((_request, response) => void response.end('two'))
  const more = (name: string): readonly string[] => [
    '[egress]',
    `allow = ["${site.host}"]`,
    '[cluster.hands]',
    `capacity = ${name === 'a' ? 0 : 4}`,
    '[agents]',
    'elsewhere = ["builder"]',
    '[approval]',
    'privileged = "allow"',
  ]
  await using cluster = await startCluster({ script: scenario(`http://${site.host}/two`), cluster: more })
  assert.equal((await cluster.oxbow('a', 'cluster', 'init')).exit, 0)
  const home = await cluster.startNode('a')
  const agents = join(cluster.env('a')['OXBOW_HOME']!, 'agents')
  mkdirSync(agents, { recursive: true })
  writeFileSync(
    join(agents, 'builder.toml'),
    'description = "Builds."\nrights = ["file.read", "file.write", "shell.run", "shell.network"]\nfiles = "branch"\nhands = "anywhere"\n',
  )
  writeFileSync(join(agents, 'builder.md'), 'Build.')
  const woken = await cluster.oxbow('a', 'cluster', 'where', 'ann', '--wake')
  assert.equal(woken.exit, 0, woken.text)
  const far = await cluster.startNode('b')
  const ann = (...words: readonly string[]) => cluster.oxbow('a', ...words, '--user', 'ann')
  const tasks = ['one', 'two'].map((part) => ({ id: part, agent: 'builder', goal: `Build part ${part}.` }))
  const work = ann('call', 'agent.fan_out', JSON.stringify({ tasks }))
  await until(
    () => processesWith('sleep 74.25').length > 0,
    () => `${home.said.text}${far.said.text}`,
  )
  const top = await cluster.oxbow('a', 'top', '--all', '--once')
  assert.match(top.text, /HANDS OF[^]*ann +\S+ +a +b/, top.text)
  // A node says how many it has with its next sign of life.
  let nodes = ''
  await until(
    async () => /b +up +\d+\/\d+ +[12]\/4/.test((nodes = (await cluster.oxbow('a', 'cluster', 'nodes')).text)),
    () => nodes,
  )
  far.machine('SIGKILL')
  await far.ended
  await until(() => processesWith('sleep 74.25').length === 0)
  const ended = await work
  assert.match(ended.text, /2 of 2 tasks succeeded/, ended.text)
  assert.match(ended.text, /outcome_unknown[^]*The node b was lost/)
  const list = await ann('branch', 'list')
  const names = [...list.text.matchAll(/^ *([0-9a-f]{8}-[0-9a-f-]+)/gm)].map(([, name]) => name!)
  assert.equal(names.length, 2, list.text)
  assert.deepEqual(site.asked, ['/two'])
  // Their versions are here, wherever the hands were.
  for (const name of names) {
    const merged = await ann('branch', 'merge', name)
    assert.equal(merged.exit, 0, merged.text)
  }
  const files = await ann('call', 'file.list', '{"path":"/shared"}')
  assert.match(files.text, /one\.txt[^]*two\.txt/, files.text)
})
