/* What is made anew for whoever asks for it, perhaps without a token: the status, figures.
 *
 * One rule for all: making a text costs at most a small share of the loop's time, however often it is asked for. What
 * was made lately is paid for before it is made again; meanwhile the same text is shown, for a second at most. Whoever
 * asks now and then always gets a new one. When the role, the leader or the term changes, or the member begins or ends
 * to serve, it is made anew at once (api_server_changed).
 */
#include "api/server_priv.h"

#define SHARE 50                         /* one part in so many */
#define CREDIT_NS INT64_C(10000000)      /* for the first ones after a while */
#define SHOWN_NS (SHARE * CREDIT_NS * 2) /* at most: 1 s */

static int64_t at_most(int64_t value, int64_t max)
{
    return value < max ? value : max;
}

bool api_shown_still(struct api_server *server, struct api_shown *shown, bool serving)
{
    uint64_t now_ns = server->clock_ns(), now_ms = uv_now(server->loop);
    uint64_t passed_ns = now_ns - shown->counted_ns;

    shown->credit_ns += at_most((int64_t)(passed_ns / SHARE), CREDIT_NS - shown->credit_ns);
    shown->counted_ns = now_ns;
    if (shown->text != NULL && shown->serving == serving && (shown->credit_ns <= 0 || shown->at_ms == now_ms)) {
        return true;
    }
    api_shown_drop(shown);
    shown->at_ms = now_ms;
    shown->serving = serving;
    return false;
}

struct api_text *api_shown_set(struct api_server *server, struct api_shown *shown, struct buf *text)
{
    uint64_t now_ns = server->clock_ns();
    int64_t took_ns = (int64_t)(now_ns - shown->counted_ns);

    shown->text = api_text_new(text);
    shown->counted_ns = now_ns;
    shown->credit_ns -= at_most(took_ns, shown->credit_ns + SHOWN_NS / SHARE);
    return shown->text;
}

void api_shown_drop(struct api_shown *shown)
{
    api_text_unref(shown->text);
    shown->text = NULL;
}
