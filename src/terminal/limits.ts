/** Limits of what terminal programs show, each with its reason. */

/** A terminal of 80 by 24: the start of a longer input has scrolled away when a person is asked to approve it. */
export const maxScreenChars = 1_920
export const beginningChars = 240
/** Reason for an approval: one of our sentences with the name of a call in it. */
export const maxReasonChars = 300
/** Shortest id shown: these first characters of a UUIDv7 encode the time to about a minute. */
export const minIdChars = 8
