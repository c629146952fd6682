/** Limits of channels, each with its reason. */

/** Channels of a user: each has a connection of its own. */
export const maxChannels = 20
/** Linked identities: read as a whole with each pairing. */
export const maxIdentities = 500
/** Messages that wait in one chat. */
export const maxWaiting = 20
/** Characters of a text that a call takes. */
export const maxTextLength = 100_000
/** Characters of a message: what models read of it is limited, too. */
export const maxTextChars = 32_000
/** Messages of a chat whose edits are still understood, and whose repetition is noticed without the journal. */
export const maxRecent = 100
/** Hints for the next turn of a chat. */
export const maxHints = 10
/** A window in which messages are counted. */
export const rateWindowMs: number = 10 * 60_000
/** Messages of an identity in that window, by role. */
export const ratePerWindow = { owner: 60, member: 20, guest: 5 } as const
/** Refused messages of a stranger in a day that are on record: a flood must not fill the journal. */
export const rejectionsPerDay = 20
export const rejectionWindowMs: number = 24 * 60 * 60_000
/** Messages of a group that come along with one to the agent. */
export const maxHeard = 20
/** Characters of each. */
export const maxHeardChars = 1_000
/** How long a person waits for a platform to answer. */
export const tryMs = 20_000
/** A list is shown after that, also where a platform has not answered. */
export const listMs = 3_000
/** A message that is older when its channel connects again is listed, and not answered. */
export const maxCatchUpMs: number = 24 * 60 * 60_000
/** Old messages come so soon after their channel has connected; later the clock is wrong, and they are answered. */
export const catchUpMs: number = 10 * 60_000
/** The note about old messages waits for more of them. */
export const missedNoteMs = 3_000
/** Lines of that note. */
export const maxMissed = 30
/** Earlier sessions of a chat that are remembered. */
export const maxPast = 20
/** A channel that is down for so long is skipped by notices. */
export const noticeDownMs: number = 15 * 60_000
/** Notices that wait; of more, the newest are kept. */
export const maxNotices = 200
/** Characters of each in a digest. */
export const maxNoticeChars = 1_500
/** Notices that find no place are looked at again after this. */
export const noticeRetryMs: number = 60_000
/** Deliveries that were given up are listed so long. */
export const keptFailureMs: number = 30 * 24 * 60 * 60_000
/** How long a pairing code is good. */
export const pairingMs: number = 10 * 60_000
/** Wrong codes of one sender in an hour, before nothing is answered. */
export const wrongTries = 5
export const triesWindowMs: number = 60 * 60_000
/** What could not be delivered in that time is given up, and listed. */
export const deadLetterMs: number = 24 * 60 * 60_000
/** Deliveries that have ended are kept so long, so that none is made twice. */
export const keptDeliveryMs: number = 25 * 60 * 60_000
/** Deliveries of a channel that are read at once. */
export const maxOpenDeliveries = 1_000
/** Characters of an input that is shown with its buttons; a longer one comes as a file. */
export const maxShownInput = 2_500
/** Senders whose rates are remembered. */
export const maxSenders = 5_000
/** How far the time of a webhook may be from ours: what is older is taken for a recording. */
export const maxHookAgeMs: number = 5 * 60_000
/** Bytes of a webhook; GitHub sends up to 25 MB, and drops what is refused. */
export const maxHookBytes: number = 1024 * 1024
/** Characters of a webhook that become a message. */
export const maxHookTextChars = 30_000
/** Signatures that are remembered while they are good, so that a recording is refused. */
export const maxHookSignatures = 5_000
/** How long a receiver of ours may take. */
export const postMs = 20_000
/** Audio of a message that is heard. */
export const maxSpeechSeconds = 600
/** Characters of what was heard that are shown; all of it runs. */
export const maxShownTranscript = 3_000
/** Characters of an answer that are spoken. */
export const maxSpokenAnswer = 4_000
