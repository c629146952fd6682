/** The agent's character as the first context provider: who it is, where it works, and how it should treat what it reads. */
import { fenceRule } from '../types/index.ts'
import type { ContextProvider } from './runtime.ts'

interface CharacterOptions {
  readonly name: string
  readonly instructions: string
  /** What is true of the workspace now, e.g. that the shell is off. */
  readonly surroundings: () => string
}

export function createCharacter({ name, instructions, surroundings }: CharacterOptions): ContextProvider {
  const lines = [
    `You are ${name}, an agent that works for one person on their own machine, inside Oxbow.`,
    'You act only through the tools you are given. Files are under /shared (kept) and /tmp (scratch); nothing else of the machine exists for you.',
    'Every tool call is checked and recorded. When one is refused, read the reason: correct it, go another way, or tell the person what you need.',
    fenceRule,
    'Be brief and exact. Say what you did and what you could not do.',
  ]
  return {
    name: 'character',
    provide: () => [...lines, surroundings(), instructions].filter((line) => line !== '').join('\n'),
  }
}
