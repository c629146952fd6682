/** For every call that can copy, rename, describe or list something: how it carries the canary. */
import { begins, delegations, handed } from './handed-recipes.ts'
import { told } from './told-recipes.ts'
import { call, grab, lastOf, type Place, type Recipe, type Route, scheduleIn, type Step } from './place.ts'

type Make = (route: Route, from: string, to: string) => readonly Step[]

/** Copies or moves the file, so that the canary is at a new path. */
function toFile(calls: readonly string[], make: Make): Recipe {
  const steps: Recipe['steps'] = (route) => {
    const from = route.path
    route.path = route.next()
    return make(route, from, route.path)
  }
  return { calls, from: 'file', to: 'file', steps }
}

/** As `toFile`, for what sees only /shared. */
function inShared(calls: readonly string[], make: Make): Recipe {
  const steps: Recipe['steps'] = (route) => {
    const [from, to] = [1, 2].map((at) => `/shared/${route.own}-in${at}-${route.next().replaceAll('/', '-')}`) as [string, string]
    const moved = call('file.move', { from: route.path, to: from })
    route.path = to
    return [moved, ...make(route, from, to)]
  }
  return { calls, from: 'file', to: 'file', steps }
}

function toTalk(from: Place, calls: readonly string[], steps: Recipe['steps']): Recipe {
  return { calls, from, to: 'talk', steps }
}

function onDisk(recipe: Recipe): Recipe {
  return { ...recipe, disk: true }
}

/** Writes down what the session has read. */
function fromTalk(to: Place, calls: readonly string[], make: (route: Route, said: (read: string) => string) => readonly Step[]): Recipe {
  return { calls, from: 'talk', to, steps: (route) => make(route, grab(route.id)) }
}

/** The name of a kind of event has no digits. */
const letters = (text: string): string => text.replace(/\d/g, (digit) => 'abcdefghij'[Number(digit)] ?? '')
const relative = (path: string): string => path.replace(/^\/(?:shared|tmp)\//, '')

const files: readonly Recipe[] = [
  toFile(['file.move'], (_, from, to) => [call('file.move', { from, to })]),
  toFile(['file.move'], ({ own }, from, to) => [
    call('file.move', { from, to: `/shared/${own}-folder/a.txt` }),
    call('file.move', { from: `/shared/${own}-folder`, to: `${to}-folder` }),
    call('file.move', { from: `${to}-folder/a.txt`, to }),
  ]),
  toFile(['shell.exec'], (_, from, to) => [call('shell.exec', { command: `mv ${from} ${to}` })]),
  toFile(['shell.exec'], (_, from, to) => [call('shell.exec', { command: `cp ${from} ${to}` })]),
  { ...onDisk(toFile(['shell.exec'], (_, from, to) => [call('shell.exec', { command: `ln -s ${from} ${to}` })])), link: true },
  toFile(['shell.exec'], (_, from, to) => [call('shell.exec', { command: `ln -L ${from} ${to} || cp ${from} ${to}` })]),
  onDisk(
    toFile(['shell.exec'], (_, from, to) => [
      call('shell.exec', { command: `tar cf ${to}.tar -C / ${from.slice(1)}` }),
      call('shell.exec', { command: `tar xOf ${to}.tar > ${to}; rm ${to}.tar` }),
    ]),
  ),
  toFile(['exec.run'], (_, from, to) => [call('exec.run', { binary: 'cp', args: [from, to] })]),
  toFile(['shell.background'], (_, from, to) => [call('shell.background', { command: `cp ${from} ${to}`, wait_s: 5 })]),
  toFile(['shell.session_open', 'shell.session_write', 'shell.session_close'], (_, from, to) => [
    call('shell.session_open', {}),
    call('shell.session_write', (read: string) => ({ id: shellIn(read), text: `cp ${from} ${to}; echo copied`, quiet_ms: 100 })),
    call('shell.session_close', (read: string) => ({ id: shellIn(read) })),
  ]),
  onDisk(inShared(['skill.run'], (_, from, to) => [call('skill.run', { name: 'copier', script: 'scripts/copy.sh', args: [from, to] })])),
  toFile(['mcp.desk.copy'], (_, from, to) => [call('mcp.desk.copy', { from, to })]),
  onDisk(
    inShared(['version.commit', 'version.restore'], ({ own }, from, to) => [
      call('file.move', { from, to }),
      call('version.commit', { message: `Keep ${own}` }),
      call('file.delete', { path: to }),
      call('version.restore', (read: string) => ({ path: to, at: committedIn(read), apply: true })),
    ]),
  ),
  onDisk(
    inShared(['branch.merge', 'agent.spawn'], (_, from, to) => [
      call('agent.spawn', {
        task: `[[do file_move ${JSON.stringify({ from, to })}]]`,
        name: 'mover',
        files: 'branch',
        rights: ['file.read', 'file.write'],
      }),
      call('agent.wait', (read: string) => ({ agents: [agentIn(read)], timeout_s: 30 })),
      call('branch.merge', (read: string) => ({ branch: agentIn(read) })),
    ]),
  ),
]

const patches: readonly Recipe[] = [
  onDisk(
    inShared(['file.patch'], (_, from, to) => {
      const [old, renamed] = [relative(from), relative(to)]
      const diff = `diff --git a/${old} b/${renamed}\nsimilarity index 100%\nrename from ${old}\nrename to ${renamed}\n`
      return [call('file.patch', { path: '/shared', diff })]
    }),
  ),
]

const readers: readonly Recipe[] = [
  toTalk('file', ['file.read'], ({ path }) => [call('file.read', { path })]),
  toTalk('file', ['file.search'], ({ path, id }) => [call('file.search', { pattern: id, path: path.replace(/\/[^/]*$/, '') })]),
  toTalk('file', ['file.bytes'], ({ path }) => [call('file.bytes', { path })]),
  toTalk('file', ['shell.exec'], ({ path }) => [call('shell.exec', { command: `cat ${path}` })]),
  toTalk('file', ['exec.run'], ({ path }) => [call('exec.run', { binary: 'cat', args: [path] })]),
  toTalk('file', ['shell.background'], ({ path }) => [call('shell.background', { command: `cat ${path}`, wait_s: 5 })]),
  toTalk('file', ['shell.session_open', 'shell.session_write', 'shell.session_read', 'shell.session_close'], ({ path }) => [
    call('shell.session_open', { terminal: false }),
    call('shell.session_write', (read: string) => ({ id: shellIn(read), text: `cat ${path}`, quiet_ms: 100 })),
    call('shell.session_read', (read: string) => ({ id: shellIn(read), wait_s: 2 })),
    call('shell.session_close', (read: string) => ({ id: shellIn(read) })),
  ]),
  onDisk(
    toTalk('file', ['skill.run'], ({ path, own }) => {
      const seen = path.startsWith('/shared') ? path : `/shared/${own}-shown.txt`
      const moved = seen === path ? [] : [call('file.move', { from: path, to: seen })]
      return [...moved, call('skill.run', { name: 'copier', script: 'scripts/show.sh', args: [seen] })]
    }),
  ),
  toTalk('file', ['mcp.desk.show'], ({ path }) => [call('mcp.desk.show', { path })]),
  toTalk('file', ['file.edit'], ({ path, id }) => [
    // The edit fails, and its error may quote what is there.
    call('file.edit', { path, find: id, replace: id }),
    call('file.read', { path }),
  ]),
  toTalk('name', ['file.list'], ({ own }) => [call('file.list', { path: `/shared/${own}-names` })]),
  toTalk('name', ['shell.exec'], ({ own }) => [call('shell.exec', { command: `ls /shared/${own}-names` })]),
  toTalk('name', ['file.search'], ({ own }) => [call('file.search', { pattern: 'plain', path: `/shared/${own}-names` })]),
  onDisk(
    toTalk('name', ['version.log', 'version.diff'], ({ own }) => [
      call('version.log', { path: `/shared/${own}-names` }),
      call('version.diff', (read: string) => ({ path: `/shared/${own}-names`, to: firstIn(read) })),
    ]),
  ),
  onDisk(
    toTalk('past', ['version.show'], ({ path }) => [
      call('version.log', { path }),
      call('version.show', (read: string) => ({ path, at: firstIn(read) })),
    ]),
  ),
  onDisk(
    toTalk('past', ['version.diff'], ({ path }) => [
      call('version.log', { path }),
      call('version.diff', (read: string) => ({ path, from: firstIn(read), to: 'HEAD' })),
    ]),
  ),
  onDisk(toTalk('log', ['version.log'], () => [call('version.log', { limit: 2 })])),
  toTalk('memory', ['memory.search'], ({ own }) => [call('memory.search', { query: `note ${own}`, top_k: 3 })]),
  toTalk('state', ['state.load'], ({ own }) => [call('state.load', { category: own, name: 'kept' })]),
  toTalk('stateName', ['state.list'], ({ own }) => [call('state.list', { category: own })]),
  toTalk('events', ['events.next'], ({ own }) => [call('events.next', { kinds: [`custom_${letters(own)}`], after: 0 })]),
  toTalk('schedules', ['schedule.search'], ({ own }) => [call('schedule.search', { name: own })]),
  toTalk('agents', ['agent.list'], () => [call('agent.list', {})]),
  toTalk('scratchpad', ['scratchpad.read'], () => [call('scratchpad.read', {})]),
]

const writers: readonly Recipe[] = [
  fromTalk('file', ['file.write'], (route, said) => [
    call(
      'file.write',
      withPath(route, (path) => (read: string) => ({ path, text: `It is ${said(read)}.` })),
    ),
  ]),
  fromTalk('file', ['file.edit'], (route, said) =>
    withPath(route, (path) => [
      call('file.write', { path, text: 'HERE' }),
      call('file.edit', (read: string) => ({ path, find: 'HERE', replace: said(read) })),
    ]),
  ),
  fromTalk('file', ['file.patch'], (route, said) => [
    call(
      'file.patch',
      withPath(route, (path) => (read: string) => ({
        path: path.slice(0, path.indexOf('/', 1)),
        diff: `--- /dev/null\n+++ b/${relative(path)}\n@@ -0,0 +1 @@\n+${said(read)}\n`,
      })),
    ),
  ]),
  fromTalk('file', ['shell.exec'], (route, said) => [
    call(
      'shell.exec',
      withPath(route, (path) => (read: string) => ({ command: `echo ${said(read)} > ${path}` })),
    ),
  ]),
  fromTalk('file', ['exec.run'], (route, said) => [
    call(
      'exec.run',
      withPath(route, (path) => (read: string) => ({ binary: 'tee', args: [path], stdin: said(read) })),
    ),
  ]),
  fromTalk('name', ['file.write'], ({ own }, said) => [
    call('file.write', (read: string) => ({ path: `/shared/${own}-names/${said(read)}`, text: 'plain' })),
  ]),
  fromTalk('name', ['file.move'], ({ own }, said) => [
    call('file.write', { path: `/shared/${own}-names/x`, text: 'plain' }),
    call('file.move', (read: string) => ({ from: `/shared/${own}-names/x`, to: `/shared/${own}-names/${said(read)}` })),
  ]),
  fromTalk('name', ['shell.exec'], ({ own }, said) => [
    call('shell.exec', (read: string) => ({ command: `mkdir -p /shared/${own}-names; echo plain > /shared/${own}-names/${said(read)}` })),
  ]),
  {
    disk: true,
    calls: ['version.commit', 'file.delete'],
    from: 'file',
    to: 'past',
    steps(route) {
      const from = route.path
      route.path = `/shared/${route.own}-past.txt`
      return [
        call('file.move', { from, to: route.path }),
        call('version.commit', { message: 'Before' }),
        call('file.delete', { path: route.path }),
        call('version.commit', { message: 'After' }),
      ]
    },
  },
  onDisk(
    fromTalk('log', ['version.commit'], ({ own }, said) => [
      call('file.write', { path: `/shared/${own}-log.txt`, text: own }),
      call('version.commit', (read: string) => ({ message: `About ${said(read)}` })),
    ]),
  ),
  onDisk(fromTalk('log', ['version.tag'], (_, said) => [call('version.tag', (read: string) => ({ tag: said(read) }))])),
  onDisk(
    // Its task is in the message of the version that its turn makes.
    fromTalk('log', ['agent.spawn', 'agent.wait'], ({ own }, said) => [
      call('agent.spawn', (read: string) => ({
        task: `About ${said(read)} [[do file_write ${JSON.stringify({ path: `/shared/${own}-task.txt`, text: own })}]]`,
        name: 'writer',
      })),
      call('agent.wait', (read: string) => ({ agents: [agentIn(read)], timeout_s: 30 })),
    ]),
  ),
  fromTalk('memory', ['memory.save'], ({ own }, said) => [
    call('memory.save', (read: string) => ({ content: `The note ${own} says ${said(read)}.` })),
  ]),
  fromTalk('memory', ['memory.update'], ({ own }, said) => [
    call('memory.save', { content: `The note ${own} is empty.` }),
    call('memory.update', (read: string) => ({ note_id: noteIn(read), content: `The note ${own} says ${said(read)}.` })),
  ]),
  fromTalk('memory', ['memory.supersede'], ({ own }, said) => [
    call('memory.save', { content: `The note ${own} is empty.` }),
    call('memory.supersede', (read: string) => ({ note_id: noteIn(read), content: `The note ${own} says ${said(read)}.` })),
  ]),
  fromTalk('state', ['state.save'], ({ own }, said) => [
    call('state.save', (read: string) => ({ category: own, name: 'kept', data: { it: said(read) } })),
  ]),
  fromTalk('stateName', ['state.save'], ({ own }, said) => [
    call('state.save', (read: string) => ({ category: own, name: said(read), data: { it: 1 } })),
  ]),
  fromTalk('events', ['events.publish'], ({ own }, said) => [
    call('events.publish', (read: string) => ({ kind: letters(own), data: { it: said(read) } })),
  ]),
  fromTalk('schedules', ['schedule.create'], ({ own }, said) => [
    call('schedule.create', (read: string) => ({ ...yearly, name: `${own} ${said(read)}`, goal: 'Remember it' })),
  ]),
  fromTalk('schedules', ['schedule.edit'], ({ own }, said) => [
    call('schedule.create', { ...yearly, name: own, goal: 'Nothing' }),
    call('schedule.edit', (read: string) => ({ id: scheduleIn(read), name: `${own} ${said(read)}` })),
  ]),
  fromTalk('agents', ['agent.spawn'], (_, said) => [
    call('agent.spawn', (read: string) => ({ task: `[[rest]] ${said(read)}`, name: 'keeper', keep: true })),
  ]),
  fromTalk('agents', ['agent.send'], (_, said) => [
    call('agent.spawn', { task: '[[rest]]', name: 'keeper', keep: true }),
    call('agent.send', (read: string) => ({ to: agentIn(read), text: `[[rest]] ${said(read)}` })),
  ]),
  fromTalk('scratchpad', ['scratchpad.write'], (_, said) => [call('scratchpad.write', (read: string) => ({ items: [said(read)] }))]),
]

/** Another session reads the canary as its first message. */
const next: readonly Recipe[] = [
  begins('agent', ['agent.spawn', 'agent.wait'], (_, message) => [
    call('agent.spawn', (read: string) => ({ task: message(read), name: 'child' })),
    call('agent.wait', (read: string) => ({ agents: [agentIn(read)], timeout_s: 30 })),
  ]),
  begins('agent', ['agent.send'], (_, message) => [
    call('agent.spawn', { task: '[[rest]]', name: 'child', keep: true }),
    call('agent.send', (read: string) => ({ to: agentIn(read), text: message(read) })),
    call('agent.wait', (read: string) => ({ agents: [agentIn(read)], timeout_s: 30 })),
  ]),
  begins('schedule', ['schedule.create', 'schedule.trigger'], ({ own }, message) => [
    call('schedule.create', (read: string) => ({ ...yearly, name: own, goal: message(read) })),
    call('schedule.trigger', (read: string) => ({ id: scheduleIn(read) })),
  ]),
  ...delegations,
]

export const recipes: readonly Recipe[] = [...files, ...patches, ...readers, ...writers, ...handed, ...told, ...next]

const yearly = { cadence: { type: 'cron', expression: '0 7 1 1 *', time_zone: 'UTC' } }

/** Sets the path of the route when the step is made, not when it runs. */
function withPath<Input>(route: Route, make: (path: string) => Input): Input {
  route.path = route.next()
  return make(route.path)
}

const shellIn = lastOf(/\b((?:shell|job)-\d+-[a-z0-9]+)/g)
/** The version that version.commit has made, or found. */
const committedIn = lastOf(/\b(?:Committed|since) ([0-9a-f]{7,40})\./g)
/** The oldest version that version.log has listed. */
const firstIn = lastOf(/\b([0-9a-f]{7,40}) \d{4}-\d\d-\d\dT/g)
const agentIn = lastOf(/\b([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]+\.\d+)/g)
const noteIn = lastOf(/\b(note-[\w-]+)/g)
