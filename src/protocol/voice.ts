/**
 * The port to whatever hears and speaks: a service of models (`src/engine/voice/`), or programs of the person in a sandbox
 * (`src/services/voice/`). It stands here, next to the port of models, because both layers have one.
 */

/** What is spoken comes as: Opus in Ogg, as voice messages are; MP3; or WAV. */
export type SpeechFormat = 'ogg' | 'mp3' | 'wav'

/** What was heard. */
export interface Heard {
  /** Hostile text. Empty: no words. */
  readonly text: string
  /** As the service has counted them; null: it does not say. */
  readonly seconds: number | null
}

export interface TranscribeOptions {
  /** Media type of the audio, as its bytes say. */
  readonly mime: string
  /** ISO 639-1; absent: whatever is heard. */
  readonly language?: string | undefined
}

export interface SpeakOptions {
  /** Name of a voice; absent: the usual one. */
  readonly voice?: string | undefined
  readonly format: SpeechFormat
}

export interface Voice {
  /** @throws OxbowError of the service or the sandbox, `bad_config`, `cancelled`; nothing is given in part */
  transcribe(audio: Uint8Array, options: TranscribeOptions, signal: AbortSignal): Promise<Heard>
  /** @returns audio in that format @throws as `transcribe` */
  speak(text: string, options: SpeakOptions, signal: AbortSignal): Promise<Uint8Array>
}

/** A model of a service that hears or speaks. */
export interface ModelVoice extends Voice {
  readonly provider: string
  /** As the service knows it. */
  readonly model: string
  /** At the vendor's own address, whose prices are known. */
  readonly isOfficial: boolean
}
