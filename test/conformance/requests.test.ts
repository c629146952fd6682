/** One set of conversations, every wire: what we send is what the vendor's own types and rules allow. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { collect } from '../../src/engine/model-contract.ts'
import { answers } from './streams/answers.ts'
import { bytesOf } from './framing.ts'
import { readEvents } from './our-answer.ts'
import { startReplayServer } from './replay-server.ts'
import { allConversations } from './requests/conversations.ts'
import { modelsOf } from './requests/models.ts'
import { loadRequestSchemas, schemaFaults } from './requests/request-schemas.ts'
import { answersFor } from './requests/travelled-answers.ts'
import { vendorRules } from './requests/vendor-rules.ts'
import { openWire, type Subject, subjects } from './subjects.ts'

const schemas = loadRequestSchemas()

interface Checked {
  readonly refused: string[]
  /** By the name of the conversation. */
  readonly bodies: ReadonlyMap<string, string>
}

/** Sends every conversation to a server that refuses what the vendor would refuse. */
async function sendAll(subject: Subject, label: string): Promise<Checked> {
  const { wire, streams } = subject
  const schema = schemas.find(({ wire: name }) => name === wire.name)!
  const rules = vendorRules[wire.name]!
  const telling = streams['text']
  assert.ok(!('cannot' in telling))
  const bodies = new Map<string, string>()
  let asked = ''
  let faults: readonly string[] = []
  await using server = await startReplayServer(({ body }) => {
    bodies.set(asked, body)
    const value = JSON.parse(body) as Record<string, unknown>
    faults = [...schemaFaults(schema, value), ...rules(value)]
    if (faults.length === 0) return { pieces: [bytesOf(telling)] }
    return { status: 400, pieces: [Buffer.from(JSON.stringify({ error: { message: faults[0] } }))] }
  })
  const choice = modelsOf(wire.name).find((each) => each.label === label)!
  using model = openWire(subject, server.origin, choice)
  const refused: string[] = []
  for (const { name, request } of allConversations(answersFor(choice.facts.name))) {
    asked = name
    const { answer } = readEvents(await collect(model, { ...request, model: choice.facts.name }))
    if (faults.length > 0) refused.push(`${name}: ${faults.slice(0, 3).join('; ')}`)
    else assert.deepEqual(answer, answers['text'], name)
  }
  return { refused, bodies }
}

for (const subject of subjects) {
  void describe(`requests of ${subject.wire.name}`, () => {
    for (const { label } of modelsOf(subject.wire.name)) {
      void it(`are what the vendor's types and rules allow, for every conversation: ${label}`, async () => {
        const { refused, bodies } = await sendAll(subject, label)
        assert.deepEqual(refused, [])
        assert.ok(bodies.size >= 40)
      })
    }
  })
}

/** What each wire sealed in its recorded stream, as it stands in a request. */
const seals: Readonly<Record<string, string>> = {
  'openai-chat': '"reasoning_content":"I need the file."',
  'openai-responses': '"encrypted_content":"gAAAAAB"',
  anthropic: '"signature":"EqQBCgIYAhIM"',
  gemini: '"thoughtSignature":"CvUBAXLI2nw="',
}

void describe('what a wire sealed', () => {
  for (const subject of subjects) {
    void it(`is sent back to the same wire and model only: ${subject.wire.name}`, async () => {
      const { bodies } = await sendAll(subject, modelsOf(subject.wire.name)[0]!.label)
      const sealsIn = (name: string): string[] => Object.keys(seals).filter((wire) => bodies.get(name)?.includes(seals[wire]!))
      assert.deepEqual(sealsIn('one step of each wire'), [subject.wire.name])
      assert.deepEqual(sealsIn('steps of another model'), [])
    })
  }
})

void describe('the request schemas', () => {
  void it('match the installed packages', () => {
    const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { devDependencies: object }
    const installed = new Map(Object.entries(manifest.devDependencies))
    const moved = schemas.filter(({ package: name, version }) => installed.get(name) !== version).map(({ wire }) => wire)
    assert.deepEqual(moved, [], 'run: node scripts/make-request-schemas.ts')
  })

  for (const subject of subjects) {
    void it(`refuse an unknown field at any depth: ${subject.wire.name}`, async () => {
      const { bodies } = await sendAll(subject, modelsOf(subject.wire.name)[0]!.label)
      const schema = schemas.find(({ wire }) => wire === subject.wire.name)!
      const tried = new Map<string, number>()
      const taken = new Set<string>()
      for (const body of bodies.values()) {
        for (const path of objectsIn(JSON.parse(body))) {
          const place = path.map((name) => (/^\d+$/.test(name) ? '*' : name)).join('.')
          const before = tried.get(place) ?? 0
          if (before >= triesAtPlace) continue
          tried.set(place, before + 1)
          const value = JSON.parse(body) as object
          let at = value as Record<string, unknown>
          for (const name of path) at = at[name] as Record<string, unknown>
          at['planted'] = 1
          if (schemaFaults(schema, value).length === 0) taken.add(place)
        }
      }
      assert.deepEqual(
        [...taken].filter((path) => !openPlaces.test(path)),
        [],
      )
    })
  }
})

/** Objects at one place are of a few kinds, and a schema is slow to ask. */
const triesAtPlace = 25

/** Places where the vendor takes any JSON: schemas, arguments and results. */
const openPlaces = /(?:^|\.)(?:parameters|schema|input_schema|input|args|response|parametersJsonSchema|responseJsonSchema)(?:\.|$)/

function objectsIn(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return []
  const inner = Object.entries(value).flatMap(([name, each]) => objectsIn(each, [...path, name]))
  return Array.isArray(value) ? inner : [path, ...inner]
}
