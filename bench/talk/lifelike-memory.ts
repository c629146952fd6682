/** A memory of lifelike talk, and what recall finds in it for a message when nothing hurries it. */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CallId, type SessionId, systemClock } from '../../src/base/index.ts'
import { createTextEngine } from '../../src/memory/index.ts'
import { createRecall } from '../../src/memory/recall/create-recall.ts'
import { createTurnRecall } from '../../src/memory/recall/turn-recall.ts'
import { openSqliteStore } from '../../src/store/index.ts'
import { copyMade, madeDatabase } from '../memory/made-database.ts'
import { addDialogue, addVectors } from '../recall/indexed-dialogue.ts'
import { benchUser } from '../subjects/guest.ts'
import { type TalkMessage, toldTalk } from './lifelike-talk.ts'

/** As configured by default. */
const limit = 8
const tokens = 1_000

export function fillLifelike(database: string, passages: number): Promise<void> {
  return copyMade(nameOf(passages), write(passages), database)
}

interface Found {
  /** As a turn shows it. */
  readonly text: string
  /** The passages by themselves. */
  readonly passages: readonly string[]
}

/** @returns the messages that are given something of such a memory, each with what it is given. */
export async function expectedFinds(passages: number, messages: readonly TalkMessage[]): Promise<ReadonlyMap<string, Found>> {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-bench-finds-'))
  const path = join(folder, 'oxbow.db')
  copyFileSync(await madeDatabase(nameOf(passages), write(passages)), path)
  const store = await openSqliteStore({ path, user: benchUser, durability: 'normal' })
  const text = createTextEngine({ embedder: 'words-50k' })
  try {
    const recall = createRecall({ store: store.memory, text, now: Date.now })
    const turns = createTurnRecall({ memory: store.memory, clock: systemClock }, { recall: async () => recall, limit, tokens })
    const finds = new Map<string, Found>()
    const told = new Map<string, string>(
      toldTalk(passages).flatMap(({ turns: said }, i) => said.map((turn) => [`${i}-${turn.id}`, turn.text] as const)),
    )
    for (const [i, message] of messages.entries()) {
      const asked = { session: `session ${i}` as SessionId, text: message.text, oldest: '', message: `message ${i}` as CallId } as const
      const found = await turns.recall(asked)
      if (found.ids.length > 0) finds.set(message.text, { text: found.text, passages: found.ids.flatMap((id) => told.get(id) ?? []) })
    }
    return finds
  } finally {
    await store.close()
    await text.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

function nameOf(passages: number): string {
  return `lifelike-${passages}`
}

function write(passages: number) {
  return async (path: string): Promise<void> => {
    const store = await openSqliteStore({ path, user: benchUser, durability: 'normal' })
    const text = createTextEngine({ embedder: 'words-50k' })
    try {
      for (const [number, dialogue] of toldTalk(passages).entries()) await addDialogue(store, dialogue, text, `${number}-`)
      await addVectors(store, text)
    } finally {
      await store.close()
      await text.close()
    }
  }
}
