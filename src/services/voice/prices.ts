/** What hearing and speaking costs: prices that services publish, or that a person has set. */
import { OxbowError } from '../../base/index.ts'
import { type ModelVoice, noSpend, type Spend } from '../../protocol/index.ts'
import { leastBilledSeconds, spokenCharsPerToken, tokensPerSecond } from './limits.ts'

/** Micro-dollars for a minute that is heard, by provider and model, as published in November 2026. */
const minutePrices: Readonly<Record<string, number>> = {
  'openai/whisper-1': 6_000,
  'openai/gpt-4o-transcribe': 6_000,
  'openai/gpt-4o-mini-transcribe': 3_000,
  'groq/whisper-large-v3': 1_850,
  'groq/whisper-large-v3-turbo': 667,
}

/** Micro-dollars for a million characters that are spoken. The last is billed by its tokens, text and audio: this is an upper bound for it. */
const characterPrices: Readonly<Record<string, number>> = {
  'openai/tts-1': 15_000_000,
  'openai/tts-1-hd': 30_000_000,
  'openai/gpt-4o-mini-tts': 24_000_000,
}

/** What a person has set. */
interface SetPrices {
  readonly minute_price?: number | undefined
  readonly character_price?: number | undefined
}

type Which = Pick<ModelVoice, 'provider' | 'model' | 'isOfficial'>

export interface VoicePrice {
  /** Null: nobody knows it. */
  readonly heard: (seconds: number) => Spend | null
  readonly spoken: (characters: number) => Spend | null
}

/** @param which null: programs of the person, which cost nothing */
export function priceOf(which: Which | null, set: SetPrices): VoicePrice {
  if (which === null) return { heard: () => noSpend, spoken: () => noSpend }
  const label = `${which.provider}/${which.model}`
  const known = (prices: Readonly<Record<string, number>>): number | undefined =>
    which.isOfficial && Object.hasOwn(prices, label) ? prices[label] : undefined
  const minute = set.minute_price ?? known(minutePrices)
  const million = set.character_price ?? known(characterPrices)
  return {
    heard: (seconds) =>
      minute === undefined
        ? null
        : { microDollars: Math.ceil((minute * Math.max(leastBilledSeconds, seconds)) / 60), tokens: heardTokens(seconds) },
    spoken: (characters) =>
      million === undefined ? null : { microDollars: Math.ceil((million * characters) / 1_000_000), tokens: spokenTokens(characters) },
  }
}

/** Tokens count also where no price is known, so that their budgets hold. */
export const heardTokens = (seconds: number): number => Math.ceil(seconds * tokensPerSecond)
export const spokenTokens = (characters: number): number => Math.ceil(characters / spokenCharsPerToken)

export function noPrice({ provider, model }: Which, key: 'minute_price' | 'character_price'): OxbowError {
  return new OxbowError('budget_exhausted', `The price of ${provider}/${model} is unknown, so a money budget cannot cover it.`, {
    hint: `Set voice.${key} in config.toml, in micro-dollars.`,
  })
}
