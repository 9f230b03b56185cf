/* Words of scripts for the server of fixture.h. */
#ifndef HECATE_TESTS_UNIT_CLI_SCRIPT_H
#define HECATE_TESTS_UNIT_CLI_SCRIPT_H

#define C1 "3b1f0c9a7d5e42688e4f1a2b3c4d5e6f"
#define C2 "4b1f0c9a7d5e42688e4f1a2b3c4d5e6f"
#define N1 "a8ae46eee1516ef9b427626ed72c1e87"
#define N2 "b8ae46eee1516ef9b427626ed72c1e87"
#define D1 "7a5802a170cb5b88487fb4116a718d89"
#define D2 "8a5802a170cb5b88487fb4116a718d89"
#define V1 "54b051fd594583cc139ad647a4c31068"
#define Q1 "/queue/11111111111111111111111111111111"
#define TEXT "Content-Type: text/plain; charset=utf-8\r\n"
#define JSON "Content-Type: application/json; charset=UTF-8\r\n"
#define AT_QUEUE "Location: " Q1 "\r\n"
#define PENDING                                           \
    {                                                     \
        "GET", Q1, 200, NULL, "X-Pending: true\r\n", NULL \
    }
#define DONE                             \
    {                                    \
        "GET", Q1, 204, NULL, NULL, NULL \
    }
#define ENDS_AT(path)                                                                           \
    {                                                                                           \
        "GET", Q1, 303, "<a href=\"x\">See Other</a>.\n\n", "Location: " path "\r\n" TEXT, NULL \
    }

#endif
