/**
 * Which program reads a mailbox. IMAP tells nobody of other connections, so each program leaves a mail of its own in a folder of the mailbox, which it
 * renews while it reads. Times are the server's. Of several programs the one goes on that has read for the longest; a mail that was not renewed
 * for a while is of a program that has gone.
 */
import { createHash } from 'node:crypto'
import type { ImapFlow } from 'imapflow'

const folder = 'Oxbow'
/** Renewals may fail twice before others take a program for gone. */
const goneMs: number = 13 * 60_000
const form = /^<oxbow\.reads\.([0-9a-f]{32})\.(\d{1,15})@/

interface Lease {
  readonly uid: number
  readonly owner: string
  /** UID of the first note of its program: they only grow, while times are whole seconds. */
  readonly since: number
  /** When it was renewed. */
  readonly at: number
}

/**
 * Renews our mail, or leaves the first. @param id of this channel, the same after each start
 * @returns false: another program reads the mailbox, and nothing of ours is left @throws what the library throws
 */
export async function claimMailbox(client: ImapFlow, id: string, address: string): Promise<boolean> {
  const owner = ownerOf(id)
  const path = (await folderIn(client)) ?? (await client.mailboxCreate(folder)).path
  await client.mailboxOpen(path)
  const before = (await leasesIn(client)).filter((each) => each.owner === owner)
  const first = before.length === 0 ? 0 : Math.min(...before.map(({ since }) => since))
  await client.append(path, noteOf(owner, first, address), ['\\Seen'])
  const all = await leasesIn(client)
  const [own] = all.filter((each) => each.owner === owner).toSorted((a, b) => b.uid - a.uid)
  if (own === undefined) return true
  // A program that has begun while we were away for long is found by what it says, and ends.
  const isBefore = (each: Lease): boolean => each.since < own.since
  const others = all.filter((each) => each.owner !== owner && own.at - each.at < goneMs)
  const isOurs = !others.some(isBefore)
  const old = all.filter((each) => (each.owner === owner ? !isOurs || each !== own : own.at - each.at >= goneMs))
  if (old.length > 0)
    await client.messageDelete(
      old.map(({ uid }) => uid),
      { uid: true },
    )
  return isOurs
}

/** Nobody has to wait until our note is old. @throws what the library throws */
export async function leaveMailbox(client: ImapFlow, id: string): Promise<void> {
  const path = await folderIn(client)
  if (path === undefined) return
  await client.mailboxOpen(path)
  const own = (await leasesIn(client)).flatMap(({ uid, owner }) => (owner === ownerOf(id) ? [uid] : []))
  if (own.length > 0) await client.messageDelete(own, { uid: true })
}

const ownerOf = (id: string): string => createHash('sha256').update(id).digest('hex').slice(0, 32)

const folderIn = async (client: ImapFlow): Promise<string | undefined> => (await client.list()).find(({ name }) => name === folder)?.path

async function leasesIn(client: ImapFlow): Promise<readonly Lease[]> {
  const found: Lease[] = []
  const uids = await client.search({ all: true }, { uid: true })
  if (!Array.isArray(uids) || uids.length === 0) return found
  for await (const { uid, envelope, internalDate } of client.fetch(uids, { envelope: true, internalDate: true }, { uid: true })) {
    const [, owner, since] = form.exec(envelope?.messageId ?? '') ?? []
    const at = new Date(internalDate ?? 0).getTime()
    if (owner !== undefined) found.push({ uid, owner, since: Number(since) || uid, at })
  }
  return found
}

/** For a person who looks into the folder. @param since 0: it is the first */
function noteOf(owner: string, since: number, address: string): string {
  return [
    `From: ${address}`,
    `To: ${address}`,
    `Message-ID: <oxbow.reads.${owner}.${since}@${address.slice(address.lastIndexOf('@') + 1)}>`,
    'Subject: Oxbow reads this mailbox',
    'Content-Type: text/plain; charset=utf-8',
    '',
    'By this note another Oxbow sees that the mailbox is taken. It is renewed every few minutes.',
    '',
  ].join('\r\n')
}
