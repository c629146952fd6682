import assert from 'node:assert/strict'
import { test } from 'node:test'
import { agentGoal, type AgentLine, agentSpent, agentState, agentTree } from './agent-tree.ts'

const agent = (id: string, parent: string, more: Partial<AgentLine> = {}) =>
  ({
    id,
    name: id,
    session: `s-${id}`,
    home: '',
    parent,
    state: 'running',
    waiting_for: null,
    waiting_on: '',
    depth: 1,
    priority: 'normal',
    task: 'Count.\nAnd more.',
    reply: '',
    reason: '',
    created_at: 0,
    started_at: null,
    ended_at: null,
    current_call: null,
    usage: null,
    spent: { tokens: 0, micro_dollars: 0 },
    left: null,
    ...more,
  }) as AgentLine

test('a tree has parents before their children, with lines that show which is whose', () => {
  const agents = [
    agent('c', 'b'),
    agent('b', 'a', { created_at: 1 }),
    agent('a', 'gone'),
    agent('d', 'a', { created_at: 2 }),
    agent('e', 'c'),
  ]
  assert.deepEqual(
    agentTree(agents).map(({ agent: { name }, rails }) => `${rails}${name}`),
    ['a', '├ b', '│ └ c', '│   └ e', '└ d'],
  )
})

test('an agent is shown with what it waits for, what is left, and why it ended', () => {
  assert.equal(
    agentState(agent('a', '', { state: 'waiting', waiting_for: 'approval', waiting_on: 'shell.exec' })),
    'waits for approval: shell.exec',
  )
  assert.equal(agentState(agent('a', '', { state: 'starting', waiting_for: 'admission' })), 'waits for a place')
  assert.equal(agentState(agent('a', '', { current_call: { name: 'web.fetch', elapsed_ms: 1_500 } })), 'web.fetch 1.5 s')
  const left = { tokens: 500, micro_dollars: null, calls: 3, seconds: null }
  assert.equal(agentSpent({ spent: { tokens: 20, micro_dollars: 0 }, left }), '20 tokens; left 500 tokens, 3 calls')
  assert.equal(agentGoal(agent('a', ''), 40), 'Count.')
  assert.equal(agentGoal(agent('a', '', { reason: 'killed\u001b[2J' }), 40).includes('\u001b'), false)
})
