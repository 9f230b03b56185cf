/* Who gives up his place when all of them are taken.
 *
 * The source that has most places gives one up to a source that has fewer: always, whatever is done there, with a token
 * or without. It never goes the other way, nor to one that would then have as many. So the places come to be shared
 * evenly between those that want them, whoever keeps his busy; and who is alone may have all.
 *
 * Strangers are the sources of which nothing is known: no valid token came from there lately, and no member is there.
 * They cost nothing to make, so those that are known take from all strangers together what they have beyond a quarter
 * of the places, and within that quarter strangers take only from each other.
 *
 * A source that has its share already replaces one of its own that nothing is worked for, or that takes its answer
 * slowly (slow.c). The same does one that has none of its own while all others have one: there are more sources than
 * places.
 *
 * Of a source that one goes first which is worth least to it: one that is closed, and of whose answer the kernel still
 * has something (left.c); a request without a valid token, or none, and of those
 * who does not wait for us (a step of a handshake) and has waited longest; then one between two requests of which the
 * last had a valid token; then the slowest of the slow; then the youngest of those at work. A token is good for its
 * request: the next one without it is a stranger's. */
#ifndef HECATE_API_PLACES_H
#define HECATE_API_PLACES_H

#include <stdbool.h>
#include <stddef.h>

struct api_conn;
struct api_server;
struct api_source;

/* Who goes for one more of that source, of max that are not the members' own; NULL: nobody, it is refused. */
struct api_conn *api_places_victim(struct api_server *server, const struct api_source *source, size_t max);
/* Who has just begun has a moment to say something, before another one of whom as little is known takes his place. */
bool api_places_spared(const struct api_conn *victim, const struct api_source *source);

#endif
